"""What of the router needs no socket: addresses, and who speaks on which descriptor."""

import pytest

from npc_brain.clock import FakeClock
from npc_brain.errors import UsageError
from npc_brain.transport.router import Router, _Connections, is_local


@pytest.mark.parametrize(
    ("bind", "expected"),
    [
        ("tcp://127.0.0.1:0", True),
        ("tcp://127.8.8.8:5555", True),
        ("tcp://[::1]:0", True),
        ("tcp://localhost:0", True),
        ("ipc:///run/npc.sock", True),
        ("tcp://0.0.0.0:0", False),
        ("tcp://*:0", False),
        ("tcp://[::]:0", False),
        ("tcp://192.168.1.5:0", False),
        ("tcp://localhost.example.com:0", False),
        ("tcp://127.0.0.1.example.com:0", False),
        ("tcp://eth0:0", False),
    ],
)
def test_only_this_machine_is_local(bind: str, expected: bool) -> None:
    assert is_local(bind) == expected


@pytest.mark.parametrize("bind", ["", "127.0.0.1:0", "inproc://x", "udp://127.0.0.1:0", "tcp://"])
def test_other_addresses_are_refused(bind: str) -> None:
    with pytest.raises(UsageError, match="cannot bind"):
        is_local(bind)


def test_remote_addresses_need_permission() -> None:
    with pytest.raises(UsageError, match="other machines"):
        Router(
            "tcp://0.0.0.0:0",
            max_message_bytes=1,
            on_gone=lambda _: None,
            has_session=lambda _: False,
            clock=FakeClock(),
        )


def test_a_closed_connection_names_its_identity() -> None:
    gone: list[bytes] = []
    connections = _Connections(gone.append)
    connections.accepted(7)
    assert connections.add(b"a", 7)
    assert b"a" in connections
    connections.closed(7)
    connections.closed(7)
    assert gone == [b"a"]
    assert b"a" not in connections


def test_a_reused_descriptor_is_not_confused() -> None:
    gone: list[bytes] = []
    connections = _Connections(gone.append)
    connections.accepted(7)
    connections.add(b"a", 7)
    connections.closed(7)
    connections.accepted(7)
    assert connections.add(b"b", 7)
    assert gone == [b"a"]
    connections.closed(7)
    assert gone == [b"a", b"b"]


def test_a_message_read_after_its_connection_closed() -> None:
    gone: list[bytes] = []
    connections = _Connections(gone.append)
    connections.accepted(7)
    connections.closed(7)
    assert not connections.add(b"brief", 7)
    connections.closed(7)
    assert gone == [b"brief"]


def test_a_successor_on_the_descriptor_shows_that_the_first_is_gone() -> None:
    gone: list[bytes] = []
    connections = _Connections(gone.append)
    connections.accepted(7)
    connections.closed(7)
    connections.accepted(7)
    connections.add(b"brief", 7)
    assert connections.add(b"next", 7)
    assert gone == [b"brief"]
    connections.closed(7)
    assert gone == [b"brief", b"next"]
