"""Every protocol message of a client as JSON lines, to look at or to replay."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from npc_brain import files
from npc_brain.client.connection import Way
from npc_brain.errors import UsageError
from npc_brain.protocol.codec import as_json
from npc_brain.protocol.messages import Envelope

_SECRETS = {"hello": ("token", "resume"), "welcome": ("session_id",)}


class TranscriptWriter:
    """An `on_message` handler that writes `{"direction", "t_ms", "message"}` lines.

    `in` is to the sidecar. Bytes become base64; token and session id are left out, for transcripts
    are made to be shown to others.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> "Iterator[TranscriptWriter]":
        """Write to a new file at `path`, readable by its owner only.

        Raises:
            UsageError: The file cannot be written, or is a link or somebody else's.
        """
        try:
            file = files.open_private(path, "w")
        except OSError as error:
            raise UsageError(f"cannot write the transcript {path}: {error.strerror}") from error
        with file:
            yield cls(file)

    def __call__(self, direction: Way, t_ms: int, envelope: Envelope) -> None:
        """Write one message."""
        message = as_json(envelope)
        for name in _SECRETS.get(envelope.type, ()):
            if name in message["body"]:
                message["body"][name] = ""
        line = {"direction": direction, "t_ms": t_ms, "message": message}
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._file.flush()
