"""The error tree.

Two kinds of failure are never mixed. What the model or the player should hear (an item is missing,
there is no path) is a value, a refused `ToolResult`. What breaks a contract is an exception from
this module: it has a stable `code` (listed in `schemas/protocol.md`), says what was received, what
was expected and where, and has a `hint` for the person who can fix it.
"""

from enum import StrEnum


class ErrorCode(StrEnum):
    """Every code that an `error` message can carry. Codes are a contract: add, never rename."""

    BAD_FRAME = "bad_frame"
    """The frame is not one msgpack map, or the map has no valid `type` and `id`."""
    TOO_LARGE = "too_large"
    """The message is longer than `limits.max_message_bytes` in `welcome`."""
    TOO_DEEP = "too_deep"
    """The message is nested deeper than `limits.max_depth`."""
    TOO_MANY_QUEUED = "too_many_queued"
    """More turns or messages are waiting than `limits` allows; try again later."""
    UNKNOWN_TYPE = "unknown_type"
    """The receiver does not know this message type."""
    BAD_BODY = "bad_body"
    """The body does not fit the message's schema."""
    REPEATED_ID = "repeated_id"
    """The message `id` did not increase; the message was ignored."""
    HELLO_FIRST = "hello_first"
    """Something other than `hello` was sent before the session began."""
    BAD_TOKEN = "bad_token"
    """The token of `hello` is missing or wrong."""
    BAD_PROTOCOL = "bad_protocol"
    """The client speaks another major version of the protocol."""
    UNKNOWN_SESSION = "unknown_session"
    """`hello.resume` names a session that has expired or never existed; none was started."""
    TOO_MANY_SESSIONS = "too_many_sessions"
    """The sidecar already serves the maximum number of sessions."""
    RESYNC = "resync"
    """A `world.patch` is not based on the current revision; send `world.sync`."""
    BAD_WORLD = "bad_world"
    """A snapshot or patch contradicts itself, for example an inventory of an unknown item."""
    BAD_TOOL = "bad_tool"
    """A registered tool has an invalid or taken name, or a schema that is not supported."""
    UNKNOWN_NPC = "unknown_npc"
    """There is no NPC with this id in the session."""
    DUPLICATE_NPC = "duplicate_npc"
    """There already is an NPC with this id."""
    TOO_MANY_NPCS = "too_many_npcs"
    """There would be more NPCs than `limits.max_npcs`."""
    BAD_DEFINITION = "bad_definition"
    """An NPC definition is missing or has mistakes."""
    UNKNOWN_TURN = "unknown_turn"
    """No turn with this id is in progress."""
    UNKNOWN_ACTION = "unknown_action"
    """No action with this id was requested in this session."""
    ACTION_ENDED = "action_ended"
    """The action has already ended; the update was ignored."""
    UNKNOWN_CALL = "unknown_call"
    """No tool call with this id is waiting for a result."""
    BAD_BLOB = "bad_blob"
    """A saved state is damaged, or its version is not supported."""
    BAD_SCENARIO = "bad_scenario"
    """A scenario file has mistakes."""
    BAD_MODEL = "bad_model"
    """A model directory or a weight file is damaged or not supported."""
    MODEL_NOT_FOUND = "model_not_found"
    """There is neither a catalogue entry nor a directory with this name."""
    DOWNLOAD_FAILED = "download_failed"
    """A model could not be downloaded, or the download is not the expected file."""
    INFERENCE_FAILED = "inference_failed"
    """The model runtime failed during generation."""
    BAD_MEDIA = "bad_media"
    """A picture or sound is damaged, too large, or in an unsupported format."""
    CANNOT_SEE = "cannot_see"
    """A picture was sent, but nothing in this sidecar can look at it."""
    CANNOT_HEAR = "cannot_hear"
    """A sound was sent without its text, but the model cannot hear."""
    CONNECTION_LOST = "connection_lost"
    """The sidecar does not answer (only raised by clients, never sent)."""
    BAD_USAGE = "bad_usage"
    """A command line or setting is wrong."""
    INTERNAL = "internal"
    """A fault in the sidecar itself; please report it."""


class NpcBrainError(Exception):
    """Base of every error of this package.

    Attributes:
        code: Stable, machine-readable.
        hint: What to do about it; may be empty.
        retryable: Whether the same request can succeed later unchanged.
    """

    default_code = ErrorCode.INTERNAL

    def __init__(
        self,
        message: str,
        *,
        code: ErrorCode | None = None,
        hint: str = "",
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code or self.default_code
        self.hint = hint
        self.retryable = retryable

    @property
    def message(self) -> str:
        """What was received, what was expected, and where."""
        return str(self.args[0])


def contained(error: BaseException) -> Exception:
    """`error` as an exception that a thread can pass on and that `except Exception` catches.

    Panics of native code are not of that kind, and a future refuses StopIteration: these become a
    RuntimeError. In a thread they end the work that raised them, as an exit does, and nothing else.
    """
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    fault = RuntimeError(f"{type(error).__name__}: {error}")
    fault.__cause__ = error
    return fault


class ProtocolError(NpcBrainError):
    """A frame or message violates the protocol."""

    default_code = ErrorCode.BAD_FRAME


class SessionError(NpcBrainError):
    """The session cannot act on a well-formed message."""

    default_code = ErrorCode.UNKNOWN_SESSION


class WorldError(NpcBrainError):
    """A world snapshot, patch or map contradicts itself."""

    default_code = ErrorCode.BAD_WORLD


class DefinitionError(NpcBrainError):
    """An authored file has mistakes; the message has one `file:line: problem` per line."""

    default_code = ErrorCode.BAD_DEFINITION


class ToolError(NpcBrainError):
    """A tool is registered or called in an invalid way."""

    default_code = ErrorCode.BAD_TOOL


class ModelError(NpcBrainError):
    """A model cannot be downloaded, imported or loaded."""

    default_code = ErrorCode.BAD_MODEL


class InferenceError(NpcBrainError):
    """The model runtime failed during generation."""

    default_code = ErrorCode.INFERENCE_FAILED


class MediaError(NpcBrainError):
    """A picture or sound cannot be processed."""

    default_code = ErrorCode.BAD_MEDIA


class ScenarioError(NpcBrainError):
    """A scenario file has mistakes."""

    default_code = ErrorCode.BAD_SCENARIO


class UsageError(NpcBrainError):
    """A command line or setting is wrong."""

    default_code = ErrorCode.BAD_USAGE
