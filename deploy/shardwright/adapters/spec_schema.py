"""The fields of `cluster.yml` one by one: types, defaults, what each value may be. What is true only of several fields
together is in `spec_checks`.

Knows no YAML and no lines. Every section is a strict pydantic model that allows no further keys; sections are validated
one at a time, so that a mistake in one hides none in another.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from shardwright.engines import VersionRange
from shardwright.errors import SpecError
from shardwright.model.spec import Domain, Product, ServiceManager, Transport

from . import spec_names as names
from .spec_names import nearest, quoted, refuse

E = TypeVar("E", bound=StrEnum)


def _word(kind: type[E]) -> Callable[[str], E]:
    def check(text: str) -> E:
        known = [member.value for member in kind]
        if text not in known:
            raise refuse("unknown-word", quoted(text), "one of " + ", ".join(known), nearest(text, known))
        return kind(text)

    return check


def _between(low: int, high: int, code: str, what: str) -> AfterValidator:
    def check(number: int) -> int:
        if not low <= number <= high:
            raise refuse(code, f"{number:,}", f"{what} from {low:,} to {high:,}")
        return number

    return AfterValidator(check)


def _port(number: int) -> int:
    if not 1 <= number <= 65_535:
        raise refuse("port-out-of-range", f"{number}", "a TCP port from 1024 to 65535")
    if number < 1024:
        hint = (
            "the servers run as a user of their own, without the capability (CAP_NET_BIND_SERVICE) for ports below 1024"
        )
        raise refuse("port-privileged", f"{number}", "a TCP port from 1024 to 65535", hint)
    return number


def _version(text: str) -> str:
    try:
        return VersionRange.parse(text).text
    except SpecError as error:
        problem = error.problems[0]
        raise refuse(problem.code, problem.found, problem.wanted, problem.hint) from None


def _setting(value: object) -> str:
    """A directive's value as text. Floats arrive only as they were written (`spec_scalars` refuses others)."""
    if isinstance(value, bool):
        word = "yes" if value else "no"
        found = f"the truth value {str(value).lower()}"
        raise refuse("setting-truth-value", found, 'the servers\' own "yes" or "no"', f'write "{word}", with quotes')
    if isinstance(value, list):
        raise refuse(
            "setting-list", f"a list of {len(value)}", "one text", "several arguments go into one text, with blanks"
        )
    if not isinstance(value, str | int | float):
        raise refuse("setting-type", "a map" if isinstance(value, dict) else "nothing (null)", "text or a number")
    return str(value)


def _save(value: object) -> tuple[int, int]:
    text = value if isinstance(value, str) else str(value)
    parts = re.fullmatch(r"([1-9]\d{0,8}) ([1-9]\d{0,9})", text) if value is text else None
    if parts is None:
        hint = "for none, write  save: []" if not text else 'for example "3600 1"'
        raise refuse("save-malformed", quoted(text), 'text "SECONDS CHANGES", both at least 1', hint)
    return int(parts[1]), int(parts[2])


def _option(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.:@/+=-]+", text):
        raise refuse(
            "mount-option-malformed", quoted(text), "one option, without comma or blank", "one list item for each"
        )
    return text


class Fsync(StrEnum):
    """How often the append-only file is forced to disk."""

    ALWAYS = "always"
    EVERYSEC = "everysec"
    NO = "no"


Port = Annotated[int, AfterValidator(_port)]
PathText = Annotated[str, AfterValidator(names.path)]
UserText = Annotated[str, AfterValidator(names.user_name)]
DomainText = Annotated[str, AfterValidator(names.domain_name)]


class Section(BaseModel):
    """What all sections have in common."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class EngineSection(Section):
    """``engine: bundled`` is short for ``engine: {product: bundled}``."""

    product: Annotated[str, AfterValidator(_word(Product))] = Field(description="redis, valkey or bundled")
    version: Annotated[str, AfterValidator(_version)] = Field(
        default="any", description="a version or range, in quotes"
    )
    bundle: PathText = Field(default="", description="path of a bundle")
    suite: DomainText = Field(default="", description="a Debian suite, such as bookworm-backports")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return {"product": data} if isinstance(data, str) else data


class SshSection(Section):
    """A host's own fields win over those at the top."""

    user: UserText = Field(default="", description="a login name")
    port: Annotated[int, _between(1, 65_535, "port-out-of-range", "a TCP port")] = Field(
        default=22, description="a TCP port"
    )
    key: PathText = Field(default="", description="path of a private key")
    known_hosts: PathText = Field(default="", description="path of a known_hosts file")
    strict_host_key: bool = Field(default=True, description="whether unknown host keys are refused")
    sudo: bool = Field(default=True, description="whether to become root by sudo")
    jump: Annotated[str, AfterValidator(names.connect_name)] = Field(default="", description="a host to go through")


class HostSection(Section):
    """One machine."""

    name: Annotated[str, AfterValidator(names.host_name)] = Field(description="a host name in lower case")
    address: Annotated[str, AfterValidator(names.address)] = Field(description="an IP address")
    zone: DomainText = Field(default="", description="name of its zone")
    rack: DomainText = Field(default="", description="name of its rack")
    instances: Annotated[int, _between(1, 256, "instances-out-of-range", "servers")] = Field(
        default=1, description="servers on it"
    )
    ports: list[Port] = Field(default=[], description="client ports, instead of instances")
    connect: Annotated[str, AfterValidator(names.connect_name)] = Field(default="", description="where ssh goes")
    ssh: SshSection = Field(default=SshSection(), description="what differs from the ssh section")
    leaving: bool = Field(default=False, description="whether it is to be emptied")

    @model_validator(mode="before")
    @classmethod
    def _one_count(cls, data: Any) -> Any:
        if isinstance(data, dict) and "instances" in data and "ports" in data:
            raise refuse("instances-and-ports", "both instances and ports", "one of them", "ports alone says how many")
        return data


class PersistenceSection(Section):
    """What survives a restart."""

    aof: bool = Field(default=True, description="whether an append-only file is written")
    fsync: Annotated[str, AfterValidator(_word(Fsync))] = Field(
        default="everysec", description="always, everysec or no"
    )
    save: list[Annotated[tuple[int, int], BeforeValidator(_save)]] = Field(
        default=[(3600, 1), (300, 100), (60, 10_000)], description='items "SECONDS CHANGES"'
    )


class MountSection(Section):
    """One file system on every host."""

    source: str = Field(description='such as "nfs1:/export/{host}"')
    target: PathText = Field(description="an absolute path")
    fstype: Annotated[str, AfterValidator(names.user_name)] = Field(default="nfs4", description="a type of file system")
    options: list[Annotated[str, AfterValidator(_option)]] = Field(default=[], description="mount options")


def _secret_path(text: str) -> str:
    try:
        return names.path(text)
    except PydanticCustomError:
        found = f"text of {len(text)} characters, not shown"
        raise refuse(
            "path-malformed", found, "a path, of letters, digits and . _ / @ + ~ -", "not the password"
        ) from None


class PasswordSection(Section):
    """Where the password is, never the password itself."""

    env: Annotated[str, AfterValidator(names.variable_name)] = Field(default="", description="name of a variable")
    file: Annotated[str, AfterValidator(_secret_path)] = Field(default="", description="path of a file")

    @model_validator(mode="before")
    @classmethod
    def _no_literal(cls, data: Any) -> Any:
        wanted = "{env: NAME} or {file: PATH}: the file is read by others and kept in version control"
        hint = "write  password: {env: SHARDWRIGHT_PASSWORD}  and change the password that stood here"
        if isinstance(data, str | int | float):
            raise refuse("password-literal", f"text of {len(str(data))} characters, not shown", wanted, hint)
        if isinstance(data, dict) and ("env" in data) == ("file" in data) and not set(data) - {"env", "file"}:
            found = "both env and file" if "env" in data else "neither env nor file"
            raise refuse("password-source", found, "one of env and file")
        return data


class SecuritySection(Section):
    """Who may talk to the servers."""

    password: PasswordSection = Field(
        default=PasswordSection.model_construct(env="", file=""), description="{env: NAME} or {file: PATH}"
    )
    open: bool = Field(default=False, description="whether to run without password")
    previous: PasswordSection = Field(
        default=PasswordSection.model_construct(env="", file=""), description="another password that is taken as well"
    )
    retired: PasswordSection = Field(
        default=PasswordSection.model_construct(env="", file=""), description="a password that is to be refused"
    )


class PathsSection(Section):
    """Directories on the hosts; `base` holds all that are not named."""

    base: PathText = Field(default="", description="a directory")
    prefix: PathText = Field(default="", description="a directory")
    config: PathText = Field(default="", description="a directory")
    data: PathText = Field(default="", description="a directory")
    run: PathText = Field(default="", description="a directory")
    log: PathText = Field(default="", description="a directory")


class SpecSection(Section):
    """All of `cluster.yml`. The loader validates field by field, so this class is never built as a whole."""

    name: Annotated[str, AfterValidator(names.cluster_name)] = Field(description="the cluster's name")
    engine: EngineSection = Field(description="redis, valkey or bundled")
    shards: Annotated[int, _between(0, 2_000, "shards-out-of-range", "shards")] = Field(
        default=3, description="shards, at least 3"
    )
    replicas: Annotated[int, _between(0, 10, "replicas-out-of-range", "replicas a shard")] = Field(
        default=1, description="replicas of each shard"
    )
    port: Port = Field(default=6379, description="first client port, 1024 to 65535")
    bus_offset: Annotated[int, _between(1, 64_511, "bus-offset-out-of-range", "an offset")] = Field(
        default=10_000, description="bus port minus client port"
    )
    spread: Annotated[str, AfterValidator(_word(Domain))] = Field(
        default="host", description="none, host, rack or zone"
    )
    ssh: SshSection = Field(default=SshSection(), description="ssh for all hosts")
    hosts: list[HostSection] = Field(description="the machines")
    settings: dict[str, Annotated[str, BeforeValidator(_setting)]] = Field(
        default={}, description="directives of the server"
    )
    persistence: PersistenceSection = Field(default=PersistenceSection(), description="what survives a restart")
    mounts: list[MountSection] = Field(default=[], description="file systems to mount")
    security: SecuritySection = Field(default=SecuritySection(), description="password")
    service_manager: Annotated[str, AfterValidator(_word(ServiceManager))] = Field(
        default="auto", description="auto or a manager"
    )
    transport: Annotated[str, AfterValidator(_word(Transport))] = Field(default="direct", description="direct or ssh")
    paths: PathsSection = Field(default=PathsSection(), description="directories on the hosts")
    user: UserText = Field(default="shardwright", description="the servers' user; empty for the current one")
    canary: bool = Field(default=True, description="whether verify writes and removes a key in every shard")
