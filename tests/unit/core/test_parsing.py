"""What servers of five versions really replied, and what broken ones might."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.core.captured import VERSIONS, Asked, lines, nodes

from shardwright.core.parsing import Unreadable, parse_fields, parse_nodes, parse_view
from shardwright.model.endpoint import Endpoint
from shardwright.model.observation import Health, Role
from shardwright.model.wire import Reply, ReplyError

HERE = Endpoint("127.0.0.1", 7000, 17000)
ID = "0" * 39 + "a"
OTHER = "0" * 39 + "b"
MYSELF = f"{ID} 127.0.0.1:7000@17000 myself,master - 0 0 1 connected"


def test_there_are_captures_of_five_versions() -> None:
    assert [version.rpartition(".")[0] for version in VERSIONS] == [
        "redis-7.0",
        "redis-8.0",
        "valkey-8.0",
        "valkey-8.1",
        "valkey-9.1",
    ]


@pytest.mark.parametrize("state", ["fresh", "formed", "broken"])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_view_says_what_another_client_saw(version: str, state: str) -> None:
    asked = [one for one in nodes(version, state) if one.replies]
    assert asked
    for one in asked:
        view, expected = one.view(), one.expected
        product, _, number = version.partition("-")
        assert (view.product, view.version) == (product, number)
        assert view.id == view.myself.id == expected["id"]
        assert view.cluster_ok is expected["ok"]
        assert (view.myself.role is Role.REPLICA) is (expected["role"] == "slave")
        assert view.primary_link_up is (expected["link"] == "up")
        assert view.keys == expected["keys"]
        assert len(view.myself.slots) == expected["slots"]
        seen = {p.id: (p.role is Role.REPLICA, p.primary_id or "-", len(p.slots)) for p in view.peers}
        assert seen == {
            i: (role == "slave", primary, slots) for i, (role, primary, slots, _) in expected["peers"].items()
        }
        failed = {p.id for p in view.peers if p.health is Health.FAILED}
        assert failed == {i for i, (_, _, _, flags) in expected["peers"].items() if "fail" in flags}
        assert view.settings["maxmemory"] == "0"
        assert "no-such-setting" not in view.settings


@pytest.mark.parametrize("version", VERSIONS)
def test_marks_of_a_move_are_read_at_both_ends(version: str) -> None:
    source, target = (one.view() for one in nodes(version, "broken")[:2])
    assert source.myself.migrating == ((7, target.id),)
    assert target.myself.importing == ((7, source.id),)


def test_addresses_with_host_names_and_attributes_and_of_version_six() -> None:
    text = "\n".join(
        [
            MYSELF.replace("@17000", "@17000,host.example,tls-port=0,shard-id=ff"),
            f"{OTHER} [2001:db8::1]:7001@17001 slave,fail? {ID} 5 0 7 disconnected",
            f"{'0' * 39}c :0@0 master,noaddr - 0 0 3 disconnected 1 3-4",
        ]
    )
    me, (first, second) = parse_nodes(text)
    assert (me.address, me.port, me.bus_port) == ("127.0.0.1", 7000, 17000)
    assert (first.address, first.port, first.bus_port) == ("2001:db8::1", 7001, 17001)
    assert (first.role, first.primary_id, first.health, first.linked) == (Role.REPLICA, ID, Health.SUSPECT, False)
    assert (second.address, second.port) == ("", 0)
    assert list(second.slots) == [1, 3, 4]


BAD_LINES = {
    "cut short": f"{OTHER} 127.0.0.1:7001@17001 master - 0",
    "no identity": MYSELF.replace(ID, "zz") + "\n" + MYSELF,
    "an identity that steers a terminal": MYSELF.replace(ID, "\x1b[2J" + ID[4:]),
    "a port that is no number": f"{OTHER} 127.0.0.1:port@17001 master - 0 0 1 connected",
    "a slot outside": f"{OTHER} 127.0.0.1:7001@17001 master - 0 0 1 connected 16384",
    "slots reversed": f"{OTHER} 127.0.0.1:7001@17001 master - 0 0 1 connected 9-3",
    "a negative slot": f"{OTHER} 127.0.0.1:7001@17001 master - 0 0 1 connected -5",
    "an open slot outside": f"{MYSELF} [99999->-{OTHER}]",
    "an open slot that is no number": f"{MYSELF} [x-<-{OTHER}]",
    "an open slot to nobody": f"{MYSELF} [7->-]",
    "an epoch that is no number": f"{OTHER} 127.0.0.1:7001@17001 master - 0 0 ² connected",
    "a number without an end": f"{OTHER} 127.0.0.1:7001@17001 master - 0 0 {'9' * 5000} connected",
    "another primary's identity": f"{OTHER} 127.0.0.1:7001@17001 slave ../../etc 0 0 1 connected",
}


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES)
def test_a_garbled_list_of_nodes_is_unreadable_and_shows_no_control_character(line: str) -> None:
    with pytest.raises(Unreadable) as raised:
        parse_nodes(f"{MYSELF}\n{line}" if "myself" not in line else line)
    assert str(raised.value).isprintable()


def test_nobody_being_the_node_itself_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="none is the node itself"):
        parse_nodes(MYSELF.replace("myself,", ""))
    with pytest.raises(Unreadable):
        parse_nodes("")


def good_replies() -> list[Reply]:
    return list(nodes(VERSIONS[-1], "formed")[0].replies)


@pytest.mark.parametrize("kept", range(4))
def test_missing_replies_are_unreadable(kept: int) -> None:
    with pytest.raises(Unreadable, match=f"{kept} replies"):
        parse_view(HERE, "127.0.0.1", good_replies()[:kept])


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("reply", [None, 7, [b"a"], ReplyError("ERR no"), b"\xff\xfe"], ids=repr)
def test_a_reply_of_another_kind_is_unreadable(at: int, reply: Reply) -> None:
    if at in (1, 3) and reply == b"\xff\xfe":
        return  # INFO without any field that we know is odd, not unreadable: see the next test
    replies = good_replies()
    replies[at] = reply
    with pytest.raises(Unreadable):
        parse_view(HERE, "127.0.0.1", replies)


@pytest.mark.parametrize(
    "info",
    [
        b"",
        b"nonsense without an end",
        b"redis_version:\x1b]0;title\x07\r\ndb0:keys=\xc2\xb2,expires=0\r\nused_memory:\xd9\xa3\r\n",
        b"db0:keys=" + b"9" * 5000 + b",expires=0\r\nmaster_repl_offset:--5\r\nused_memory:-\r\n",
        b"role:master\r\n" * 50_000,
    ],
    ids=["empty", "no fields", "odd digits", "huge numbers", "much"],
)
def test_odd_fields_are_no_error(info: bytes) -> None:
    replies = good_replies()
    replies[3] = info
    view = parse_view(HERE, "127.0.0.1", replies)
    assert (view.keys, view.memory_used) == (0, 0)
    assert view.version.isprintable()


def test_fields_are_split_at_the_first_colon() -> None:
    assert parse_fields("# Server\r\na:1:2\r\nb\r\n\r\nc:\r\n") == {"a": "1:2", "c": ""}


def cut(asked: Asked, keep: float) -> Sequence[Reply]:
    """The replies with the list of nodes cut after a share of its characters."""
    text = "\n".join(lines(asked))
    return [*asked.replies[:2], text[: int(len(text) * keep)].encode(), *asked.replies[3:]]


@given(keep=st.floats(0, 1), version=st.sampled_from(VERSIONS))
def test_a_list_that_is_cut_anywhere_is_read_or_unreadable(keep: float, version: str) -> None:
    asked = nodes(version, "formed")[1]
    with suppress(Unreadable):
        assert parse_view(asked.endpoint, "127.0.0.1", cut(asked, keep)).id == asked.expected["id"]


REPLY = st.recursive(
    st.none()
    | st.integers()
    | st.binary(max_size=80)
    | st.text(max_size=80).map(str.encode)
    | st.just(ReplyError("ERR")),
    lambda inner: st.lists(inner, max_size=6),
    max_leaves=8,
)


@given(st.lists(REPLY, max_size=6))
def test_whatever_is_replied_is_read_or_unreadable(replies: list[Reply]) -> None:
    with suppress(Unreadable):
        parse_view(HERE, "127.0.0.1", replies)


FIELD = st.text(st.characters(blacklist_characters="\n "), max_size=12)
WORDS = st.lists(
    FIELD
    | st.sampled_from([ID, OTHER, "127.0.0.1:7000@17000", "myself,master", "slave", "-", "0", "connected", "[7->-"]),
    max_size=12,
)


@given(st.lists(WORDS, max_size=4))
def test_whatever_is_listed_is_read_or_unreadable(rows: list[list[str]]) -> None:
    replies = [ID.encode(), b"cluster_state:ok\r\n", "\n".join(map(" ".join, rows)).encode("utf-8", "replace"), b""]
    with suppress(Unreadable):
        parse_view(HERE, "127.0.0.1", replies)
