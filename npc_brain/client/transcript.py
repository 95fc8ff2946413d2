"""Every protocol message of a client as JSON lines, to look at or to replay."""

import json
from typing import IO, Literal

from npc_brain.protocol.codec import as_json
from npc_brain.protocol.messages import Envelope


class TranscriptWriter:
    """An `on_message` handler that writes `{"direction", "t_ms", "message"}` lines.

    `in` is to the sidecar. Bytes become base64; the token of `hello` is left out, for transcripts
    are made to be shown to others.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def __call__(self, direction: Literal["in", "out"], t_ms: int, envelope: Envelope) -> None:
        """Write one message."""
        message = as_json(envelope)
        if "token" in message["body"] and envelope.type == "hello":
            message["body"]["token"] = ""
        line = {"direction": direction, "t_ms": t_ms, "message": message}
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
