"""How a sidecar is reached and when it ends: its parent's death, addresses taken, encryption."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zmq

from npc_brain.errors import UsageError
from npc_brain.protocol.messages import Welcome
from tests.integration.wire_server import RawPeer, hello, serving
from tests.pace import limit_s, until, wait_until
from tests.processes import is_running

PARENT = """
import subprocess, sys, time, os
child = subprocess.Popen(
    [sys.executable, "-m", "tests.integration.wire_server", "serve", "--bind",
     "tcp://127.0.0.1:0", "--parent-pid", str(os.getpid())],
    stdout=subprocess.PIPE, text=True, env={**os.environ, "NPC_BRAIN_TOKEN": "x"},
)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.measures
@pytest.mark.skipif(sys.platform == "win32", reason="kills a process the POSIX way")
def test_a_sidecar_ends_within_two_seconds_of_its_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        sidecar_pid = int(parent.stdout.readline())
        assert is_running(sidecar_pid)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    start_s = time.monotonic()
    wait_until(lambda: not is_running(sidecar_pid))
    assert time.monotonic() - start_s < limit_s(2)


async def test_a_taken_address_is_told() -> None:
    async with serving() as served:
        with pytest.raises(UsageError, match="cannot listen on"):
            async with serving(bind=served.endpoint):
                pass


async def test_curve_admits_only_clients_that_know_the_key() -> None:
    public, secret = zmq.curve_keypair()
    async with serving(curve_secret_key=secret) as served:
        stranger = RawPeer(served.endpoint)
        stranger.post(hello())
        with pytest.raises(TimeoutError):
            await stranger.receive(0.2)
        stranger.close()
        friend = RawPeer(None)
        friend.socket.curve_publickey, friend.socket.curve_secretkey = zmq.curve_keypair()
        friend.socket.curve_serverkey = public
        friend.socket.connect(served.endpoint)
        assert isinstance((await friend.ask(hello())).body, Welcome)
        friend.close()


@pytest.mark.skipif(sys.platform == "win32", reason="ipc:// is for POSIX")
async def test_ipc_works_as_tcp_does(tmp_path: Path) -> None:
    async with serving(bind=f"ipc://{tmp_path}/npc.sock") as served:
        peer = RawPeer(served.endpoint)
        assert isinstance((await peer.ask(hello())).body, Welcome)
        peer.close()
        await until(lambda: served.sessions[0].num_detached)
