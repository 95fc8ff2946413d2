"""Plain ends of a connection, for measurements: an echo without codec, a blocking DEALER."""

from collections.abc import Callable

import zmq
import zmq.asyncio


async def echo(tell: Callable[[str], object]) -> None:
    """Send every message back until cancelled; calls `tell` with the endpoint first."""
    with zmq.asyncio.Context() as context, context.socket(zmq.ROUTER) as socket:
        socket.bind("tcp://127.0.0.1:0")
        tell(socket.getsockopt_string(zmq.LAST_ENDPOINT))
        while True:
            await socket.send_multipart(await socket.recv_multipart())


class BlockingDealer:
    """A DEALER that sends a frame and waits for the next."""

    def __init__(self, endpoint: str, timeout_s: float = 10.0) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RCVTIMEO, round(timeout_s * 1000))
        self._socket.connect(endpoint)

    def ask(self, frame: bytes) -> bytes:
        """Send a frame and return the next one that comes.

        Raises:
            TimeoutError: None came in time.
        """
        self._socket.send(frame)
        try:
            return self._socket.recv()
        except zmq.Again as e:
            raise TimeoutError("no answer came in time") from e

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        self._context.term()
