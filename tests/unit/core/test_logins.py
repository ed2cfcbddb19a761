"""What servers say of their default user, understood; and the commands that change it, which show no password."""

from __future__ import annotations

import hashlib

import pytest

from shardwright.core.logins import admit_commands, masked, passwords, retire_commands, standing, use_commands, valid
from shardwright.core.planning.rotating import admit_phase, retire_phase, use_phase
from shardwright.core.verification.passwords import password_findings
from shardwright.errors import ObservationError
from shardwright.model.endpoint import Endpoint
from shardwright.model.secret import Secret
from shardwright.model.spec import Security
from shardwright.model.standing import Given, Standing
from shardwright.model.wire import Command, Reply, ReplyError

OLD, NEW, OTHER = 'old "ü', "new", "other"
SECURITY = Security(Secret(NEW), previous=Secret(OLD))
RETIRING = Security(Secret(NEW), retired=Secret(OLD))
HERE, THERE = Endpoint("10.0.0.1", 6379, 16379), Endpoint("10.0.0.2", 6379, 16379)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def replies(*words: str, require: str = "", auth: str = "", user: str = "") -> list[Reply]:
    """As Redis 7.0 and Valkey 9.1 answer, with another user beside."""
    line = f"user default on sanitize-payload {' '.join(words)} ~* &* +@all"
    lists: list[Reply] = [b"user app on #" + b"0" * 64 + b" ~* &* +@all", line.encode()]
    named = (("requirepass", require), ("masterauth", auth), ("masteruser", user))
    return [lists, *([name.encode(), value.encode()] for name, value in named)]


@pytest.mark.parametrize(
    ("words", "takes", "unnamed"),
    [
        ([f"#{sha(OLD)}"], {Given.PREVIOUS}, 0),
        ([f"#{sha(OLD)}", f"#{sha(NEW)}"], {Given.PASSWORD, Given.PREVIOUS}, 0),
        ([f"#{sha(NEW)}", f"#{sha(OTHER)}", f"#{sha('x')}"], {Given.PASSWORD}, 2),
        (["nopass"], {Given.NOTHING}, 0),
    ],
)
def test_who_is_let_in(words: list[str], takes: set[Given], unnamed: int) -> None:
    found = standing(replies(*words, require=OLD, auth=NEW, user="default"), SECURITY)
    assert found == Standing(frozenset(takes), unnamed, replicates=True, user="default", kept=False)


@pytest.mark.parametrize("answer", [[], [ReplyError("NOPERM no")] * 4, [[b"user app on nopass"], [], [], []]])
def test_a_server_that_does_not_tell_is_said(answer: list[Reply]) -> None:
    with pytest.raises(ObservationError) as caught:
        standing(answer, SECURITY)
    assert caught.value.code == "passwords-not-told"


def test_no_command_shows_a_password_or_its_hash() -> None:
    now = Standing(frozenset({Given.PASSWORD, Given.RETIRED}), unnamed=1)
    made = [*admit_commands(SECURITY), *use_commands(SECURITY, ""), *retire_commands(RETIRING, now)]
    for hidden in (OLD, NEW, sha(OLD), sha(NEW)):
        assert hidden not in str(made)


def revealed(commands: tuple[Command, ...]) -> list[str]:
    return [" ".join(w.reveal() if isinstance(w, Secret) else str(w) for w in command) for command in commands]


def test_one_password_that_is_left_replaces_all_and_others_are_taken_away_one_by_one() -> None:
    both = frozenset({Given.PASSWORD, Given.RETIRED})
    assert revealed(retire_commands(RETIRING, Standing(both))) == [
        f"ACL SETUSER default resetpass #{sha(NEW)}",
        f"CONFIG SET requirepass {NEW}",
    ]
    assert revealed(retire_commands(RETIRING, Standing(both, unnamed=1))) == [f"ACL SETUSER default !{sha(OLD)}"]
    opened = Standing(frozenset({Given.NOTHING}))
    assert revealed(retire_commands(SECURITY, opened)) == [
        f"ACL SETUSER default #{sha(NEW)} #{sha(OLD)}",
        "CONFIG SET protected-mode yes",
    ]


def test_open_servers_are_given_a_name_first_and_closed_last() -> None:
    only = frozenset({Given.PASSWORD})
    standings = {HERE: Standing(frozenset({Given.NOTHING}), replicates=False), THERE: Standing(only)}
    assert admit_phase(standings, only) is None
    use, close = use_phase(standings), retire_phase(standings, only)
    assert use is not None
    assert close is not None
    assert [str(s) for s in use.steps] == [
        f"replicate with the password on {HERE} as user default",
        f"replicate with the password on {THERE} as user default",
    ]
    assert [str(s) for s in close.steps] == [f"refuse clients without a password on {HERE}"]


def test_what_is_as_it_should_be_needs_nothing() -> None:
    wanted = valid(SECURITY)
    standings = {HERE: Standing(wanted), THERE: Standing(wanted, kept=False)}
    assert (admit_phase(standings, wanted), use_phase(standings), retire_phase(standings, wanted)) == (None,) * 3
    assert list(passwords(RETIRING)) == [Given.PASSWORD, Given.RETIRED]


@pytest.mark.parametrize(
    ("retired", "severity"),
    [({HERE: False, THERE: False}, "ok"), ({HERE: True, THERE: False}, "error"), ({HERE: False}, "error")],
)
def test_retired_means_refused_by_every_server(retired: dict[Endpoint, bool], severity: str) -> None:
    found = list(password_findings({HERE: "a", THERE: "b"}, {}, retired=retired, previous=None))
    assert [(f.code, f.severity.value) for f in found] == [("password-retired", severity)]


def test_findings_on_open_servers_others_passwords_and_files() -> None:
    standings = {HERE: Standing(frozenset({Given.NOTHING})), THERE: Standing(frozenset({Given.PASSWORD}), unnamed=1)}
    names = {HERE: "a", THERE: "b"}
    found = password_findings(names, standings, retired=None, previous={HERE: True, THERE: False}, stale_files=True)
    assert {(f.code, f.severity.value, f.subject) for f in found} == {
        ("password-previous", "error", "b"),
        ("password-open", "error", "a"),
        ("password-unnamed", "warning", "b"),
        ("password-files", "warning", "files"),
    }


def test_no_password_of_a_rotation_is_shown_nor_a_part_of_one() -> None:
    security = Security(Secret("night"), previous=Secret("nightingale"), retired=Secret('a "b'))
    said = f'night nightingale a "b "a \\"b" {sha("night")} #{sha("nightingale")}'
    assert masked(said, security) == "*** *** *** *** *** #***"
    assert masked("as it is", Security(open=True)) == "as it is"
