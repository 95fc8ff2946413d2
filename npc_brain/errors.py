"""The error tree.

Two kinds of failure are never mixed. What the model or the player should hear (an item is missing,
there is no path) is a value, a refused `ToolResult`. What breaks a contract is an exception from
this module: it has a stable `code` (listed in `schemas/protocol.md`), says what was got, what was
wanted and where, and carries a `hint` for the person who can mend it.
"""

from enum import StrEnum


class ErrorCode(StrEnum):
    """Every code that an `error` message can carry. Codes are a contract: add, never rename."""

    BAD_FRAME = "bad_frame"
    """Not one msgpack map in one frame, or a map without a valid `type` and `id`."""
    TOO_LARGE = "too_large"
    """Longer than `limits.max_message_bytes` of `welcome`."""
    TOO_DEEP = "too_deep"
    """Nested deeper than `limits.max_depth`."""
    TOO_MANY_QUEUED = "too_many_queued"
    """More turns or messages are waiting than `limits` allows; try again later."""
    UNKNOWN_TYPE = "unknown_type"
    """The receiver does not know this message type."""
    BAD_BODY = "bad_body"
    """The body does not fit the message's schema."""
    REPEATED_ID = "repeated_id"
    """The message `id` did not rise; the message was not acted upon again."""
    HELLO_FIRST = "hello_first"
    """Anything but `hello` before the session began."""
    BAD_TOKEN = "bad_token"
    """The token of `hello` is missing or wrong."""
    BAD_PROTOCOL = "bad_protocol"
    """The client speaks another major version of the protocol."""
    UNKNOWN_SESSION = "unknown_session"
    """`hello.resume` names a session that has expired or never was; none was started."""
    TOO_MANY_SESSIONS = "too_many_sessions"
    """The sidecar serves as many sessions as it may."""
    RESYNC = "resync"
    """A `world.patch` does not build on the revision held; send `world.sync`."""
    BAD_WORLD = "bad_world"
    """A snapshot or patch contradicts itself, for example an inventory of an unknown item."""
    BAD_TOOL = "bad_tool"
    """A registered tool has a bad name, a schema not understood, or a name already taken."""
    UNKNOWN_NPC = "unknown_npc"
    """No NPC of that id is spawned in this session."""
    DUPLICATE_NPC = "duplicate_npc"
    """An NPC of that id is spawned already."""
    TOO_MANY_NPCS = "too_many_npcs"
    """More NPCs than `limits.max_npcs`."""
    BAD_DEFINITION = "bad_definition"
    """An NPC definition is missing or has mistakes."""
    UNKNOWN_TURN = "unknown_turn"
    """No turn of that id is under way."""
    UNKNOWN_ACTION = "unknown_action"
    """No action of that id was requested in this session."""
    ACTION_ENDED = "action_ended"
    """The action has ended already; the update was not acted upon."""
    UNKNOWN_CALL = "unknown_call"
    """No tool call of that id waits for a result."""
    BAD_BLOB = "bad_blob"
    """A saved state is damaged, or of a version that this sidecar cannot read."""
    BAD_SCENARIO = "bad_scenario"
    """A scenario file has mistakes."""
    BAD_MODEL = "bad_model"
    """A model directory or a weight file is damaged or not understood."""
    MODEL_NOT_FOUND = "model_not_found"
    """No catalogue entry and no directory of that name."""
    DOWNLOAD_FAILED = "download_failed"
    """A model could not be fetched, or what came is not what was asked for."""
    INFERENCE_FAILED = "inference_failed"
    """The model runtime failed while generating."""
    BAD_MEDIA = "bad_media"
    """A picture or a sound is damaged, too large, or in a format that is not understood."""
    CANNOT_SEE = "cannot_see"
    """A picture came, and neither the model in use nor anything else here can look at it."""
    CANNOT_HEAR = "cannot_hear"
    """A sound came without its text, and the model in use cannot hear."""
    CONNECTION_LOST = "connection_lost"
    """The sidecar does not answer (raised by clients only, never sent)."""
    BAD_USAGE = "bad_usage"
    """A command line or a setting is wrong."""
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
        """What was got, what was wanted, and where."""
        return str(self.args[0])


def contained(error: BaseException) -> Exception:
    """`error` as one that a thread can hand over, and that `except Exception` catches.

    Native code panics with others, and a future refuses StopIteration: of such a RuntimeError
    tells. In a thread they end the work that they come from, as an exit does, and nothing else.
    """
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    fault = RuntimeError(f"{type(error).__name__}: {error}")
    fault.__cause__ = error
    return fault


class ProtocolError(NpcBrainError):
    """A frame or message that breaks the wire contract."""

    default_code = ErrorCode.BAD_FRAME


class SessionError(NpcBrainError):
    """A well-formed message that the session cannot act upon."""

    default_code = ErrorCode.UNKNOWN_SESSION


class WorldError(NpcBrainError):
    """A world snapshot, patch or map that contradicts itself."""

    default_code = ErrorCode.BAD_WORLD


class DefinitionError(NpcBrainError):
    """An authored file with mistakes; the message has one `file:line: problem` per line."""

    default_code = ErrorCode.BAD_DEFINITION


class ToolError(NpcBrainError):
    """A tool that is registered or called against its contract."""

    default_code = ErrorCode.BAD_TOOL


class ModelError(NpcBrainError):
    """A model that cannot be fetched, imported or loaded."""

    default_code = ErrorCode.BAD_MODEL


class InferenceError(NpcBrainError):
    """A generation that failed in the model runtime."""

    default_code = ErrorCode.INFERENCE_FAILED


class MediaError(NpcBrainError):
    """A picture or a sound that cannot be taken in."""

    default_code = ErrorCode.BAD_MEDIA


class ScenarioError(NpcBrainError):
    """A scenario file with mistakes."""

    default_code = ErrorCode.BAD_SCENARIO


class UsageError(NpcBrainError):
    """A command line or a setting that is wrong."""

    default_code = ErrorCode.BAD_USAGE
