"""pyinfra's inventory, derived from the `cluster.yml` beside it. Holds the ssh options and nothing else about hosts.

Host keys are strict unless the spec says otherwise: pyinfra's own default accepts any key of a new host. Every wait of a
connection has a limit, because a host that drops packets must not hold a run for the minutes of TCP's own patience.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from pyinfra import config
from pyinfra.context import ctx_state

from ..adapters import environment, environments
from ..errors import Problem, SpecError
from ..model.spec import HostSpec
from . import hooks, jump, results, sparing
from .recording import command_of, record_failure

CONNECT_SECONDS = 10
CONNECT_RETRIES = 2

Hosts = list[tuple[str, dict[str, Any]]]


def refuse_others() -> None:
    """End a run of one of our scripts over an inventory that is none of ours, with exit code 2; for pyinfra's config.py.

    pyinfra takes a path that is mistyped for the name of a host, finds that it has none, does nothing, and ends with 0.
    """
    state = ctx_state.get()  # type: ignore[no-untyped-call]
    initialise = state.init

    def init(*args: Any, **kwargs: Any) -> None:
        if command_of(sys.argv) is not None and not results.begun(state):
            print(f"ERROR {_not_ours(sys.argv)}", file=sys.stderr, flush=True)
            raise SystemExit(SpecError.exit_code)
        initialise(*args, **kwargs)

    state.init = init


def _not_ours(arguments: list[str]) -> SpecError:
    """The refusal; pyinfra wants the inventory right before the script."""
    script = next(n for n, word in enumerate(arguments) if command_of([word]) is not None)
    given = Path(arguments[script - 1])
    wanted, hint = environments.there(given.parent.name if given.name == "inventory.py" else given.name)
    found = "an inventory without hosts of a cluster.yml" if given.exists() else f"{given}: no such file"
    wanted = f"inventories/NAME/inventory.py, NAME {wanted}"
    return SpecError([Problem("inventory-not-ours", "", found, wanted, hint)], file="command line")


def load_inventory(inventory_file: str) -> dict[str, Hosts]:
    """The group of the cluster's hosts, for ``globals().update(load_inventory(__file__))`` in an inventory.py.

    A spec with mistakes ends the process with exit code 2 and all of them, before anything is contacted.
    """
    path = Path(inventory_file).resolve().with_name("cluster.yml")
    try:
        loaded = environment.load(path)
        _refuse_missing_keys(loaded)
        found = hosts(loaded)
    except SpecError as error:
        print(f"ERROR {error}", file=sys.stderr, flush=True)
        raise SystemExit(error.exit_code) from None
    config.CONNECT_TIMEOUT = CONNECT_SECONDS
    config.FAIL_PERCENT = 0
    sparing.spare()
    state = ctx_state.get()  # type: ignore[no-untyped-call]
    if state is not None:
        run = results.begin(state, loaded)
        run.command = command_of(sys.argv)
        hooks.lead(state, run, record_failure)
    return {loaded.spec.name: found}


def hosts(loaded: environment.Environment) -> Hosts:
    """The hosts as pyinfra takes them: (name, data).

    Raises:
        SpecError: ``several-local-hosts``.
    """
    local = [h for h in loaded.spec.hosts if h.connect == "@local"]
    if len(local) > 1:
        found = ", ".join(h.name for h in local)
        hint = "put all instances of this machine into one host, with several ports"
        wanted = "one host with connect: @local"
        raise SpecError([Problem("several-local-hosts", "hosts", found, wanted, hint)], file=str(loaded.path))
    behind = [h for h in loaded.spec.hosts if h.ssh.jump and h not in local]
    ssh_config = jump.config_file(behind) if behind else ""
    return [("@local" if h in local else h.name, _data(loaded.path, h, ssh_config)) for h in loaded.spec.hosts]


def _refuse_missing_keys(loaded: environment.Environment) -> None:
    """A key that is not there is only a warning elsewhere: ssh would go on without it, and pyinfra ends with a traceback.

    Raises:
        SpecError: ``ssh-key-missing``.
    """
    keys = {h.ssh.key for h in loaded.spec.hosts if h.connect != "@local" and h.ssh.key}
    if all(Path(key).is_file() for key in keys):
        return
    missing = [p for p in loaded.warnings if p.code == "ssh-key-missing"]
    raise SpecError(missing, file=str(loaded.path))


def _data(path: Path, host: HostSpec, ssh_config: str) -> dict[str, Any]:
    data: dict[str, Any] = {"shardwright_host": host.name, "shardwright_spec": str(path)}
    if host.connect == "@local":
        return data
    ssh = host.ssh
    data |= {
        "ssh_hostname": host.connect or host.address,
        "ssh_port": ssh.port,
        "ssh_strict_host_key_checking": "yes" if ssh.strict_host_key else "accept-new",
        "ssh_connect_retries": CONNECT_RETRIES,
        "ssh_paramiko_connect_kwargs": {"banner_timeout": 15, "auth_timeout": 15, "channel_timeout": 30},
    }
    optional = {
        "ssh_user": ssh.user,
        "ssh_key": ssh.key,
        "ssh_known_hosts_file": ssh.known_hosts,
        "ssh_config_file": ssh_config if ssh.jump else "",
    }
    return data | {name: value for name, value in optional.items() if value}
