"""Frames to envelopes and back: msgpack, limits, and validation against the message models.

The only importer of msgpack for the wire. Knows nothing of sockets, sessions or what a message
means. Frames are read with tuples for arrays, so that the models can be checked strictly (pydantic
refuses lists where a tuple is declared); free-form fields turn them into lists again.
"""

import base64
import math
from typing import Any, TypeVar

import msgpack
from pydantic import ValidationError

from npc_brain.errors import ErrorCode, ProtocolError
from npc_brain.protocol.messages import (
    MESSAGES,
    Direction,
    Envelope,
    Limits,
)

DEFAULT_LIMITS = Limits(
    max_message_bytes=4 * 2**20, max_depth=32, max_npcs=4096, max_queued_turns=64
)
"""A nav grid of 2048 x 2048 cells fits into one message."""

MAX_CONTAINER_LENGTH = 10_000
"""Most entries of one array or map."""
MAX_VALUES = 100_000
"""Most values of one message; decoding and checking that many takes about 50 ms."""

_Container = TypeVar("_Container", dict[str, Any], tuple[Any, ...])
_MAX_ID = 2**63 - 1
_MAX_ENVELOPE_KEYS = 16
_NUM_ERRORS_TOLD = 3
_MAX_ERRORS_READ = 1_000
"""pydantic formats all mistakes or none, which costs a microsecond each."""


class DecodeError(ProtocolError):
    """A frame that is refused.

    Attributes:
        reply_to: The frame's `id` where it could be read, so that the refusal can name it.
        is_envelope: Whether the rest of the envelope could be read too, so that the id is its own.
    """

    reply_to: int | None = None
    is_envelope: bool = False


def encode(envelope: Envelope) -> bytes:
    """The frame of a message: the map `type`, `id`, `reply_to`, `npc_id`, `body`, in this order.

    Body fields come in declared order by their wire names, None fields are left out. Integers take
    their shortest form, floats are float64, `bytes` are bin.

    Raises:
        ProtocolError: `bad_body` for data that no frame can carry: a NaN or infinite number, an
            integer beyond 64 bits, text that is not Unicode, an object of an unknown class.
    """
    fields = _as_map(envelope)
    try:
        _check_values(fields["body"], max_depth=DEFAULT_LIMITS.max_depth)
        frame: bytes = msgpack.packb(fields)
    except (TypeError, ValueError, OverflowError) as e:  # UnicodeEncodeError is a ValueError
        raise _unencodable(envelope, str(e)) from e
    except ProtocolError as e:
        raise _unencodable(envelope, e.message) from e
    return frame


def decode(frame: bytes, direction: Direction, limits: Limits = DEFAULT_LIMITS) -> Envelope:
    """Read and check a frame that travels in `direction`.

    Raises:
        DecodeError: With code `too_large`, `too_deep`, `bad_frame`, `unknown_type` or `bad_body`;
            `reply_to` is the message's `id` unless that could not be read.
    """
    try:
        fields = _unpack(frame, limits)
    except DecodeError as e:
        e.reply_to = peek_id(frame)
        raise
    message_id = _read_id(fields)
    try:
        return _envelope(fields, message_id, direction, limits)
    except DecodeError as e:
        e.reply_to, e.is_envelope = message_id, True
        raise


def peek_id(frame: bytes) -> int | None:
    """The `id` of a message that was refused unread; None when it cannot be found.

    The message is not unpacked, so a bomb does no harm.
    """
    unpacker = msgpack.Unpacker(max_buffer_size=max(len(frame), 1), max_ext_len=0)
    unpacker.feed(frame)
    try:
        for _ in range(min(unpacker.read_map_header(), _MAX_ENVELOPE_KEYS)):
            if unpacker.unpack() == "id":
                return _read_id({"id": unpacker.unpack()})
            unpacker.skip()
    except (ValueError, msgpack.UnpackException, DecodeError):
        pass
    return None


def as_json(envelope: Envelope) -> dict[str, Any]:
    """The envelope as JSON data, for transcripts and golden examples: bytes become base64."""
    fields: dict[str, Any] = _with_base64(_as_map(envelope))
    return fields


def _as_map(envelope: Envelope) -> dict[str, Any]:
    fields: dict[str, Any] = {"type": envelope.type, "id": envelope.id}
    if envelope.reply_to is not None:
        fields["reply_to"] = envelope.reply_to
    if envelope.npc_id is not None:
        fields["npc_id"] = envelope.npc_id
    fields["body"] = envelope.body.model_dump(by_alias=True, exclude_none=True)
    return fields


def _unencodable(envelope: Envelope, problem: str) -> ProtocolError:
    return ProtocolError(
        f"cannot encode {envelope.type} (id {envelope.id}): {problem}",
        code=ErrorCode.BAD_BODY,
        hint="Bodies hold maps with text keys, arrays, text, bytes, booleans, 64-bit integers "
        "and finite floats.",
    )


def _unpack(frame: bytes, limits: Limits) -> dict[str, Any]:
    if len(frame) > limits.max_message_bytes:
        raise DecodeError(
            f"got a message of {len(frame)} bytes, at most {limits.max_message_bytes} are allowed",
            code=ErrorCode.TOO_LARGE,
            hint="The limit is `limits.max_message_bytes` of `welcome`.",
        )
    budget = _ValueBudget()
    try:
        value = msgpack.unpackb(
            frame,
            use_list=False,
            max_array_len=MAX_CONTAINER_LENGTH,
            max_map_len=MAX_CONTAINER_LENGTH,
            max_ext_len=0,
            # A short frame cannot hold too many values, so it is spared the calls.
            list_hook=budget.spend if len(frame) > MAX_VALUES else None,
            object_hook=budget.spend if len(frame) > MAX_VALUES else None,
        )
    except msgpack.ExtraData as e:
        raise DecodeError(
            f"got {len(e.extra)} bytes after the message's map, wanted one map a frame"
        ) from e
    except msgpack.StackError as e:
        raise _too_deep(limits.max_depth) from e
    except ValueError as e:
        raise _unpack_error(e) from e
    if not isinstance(value, dict):
        raise DecodeError(f"a frame must be one msgpack map, got {_told(value)}")
    return value


def _unpack_error(error: ValueError) -> DecodeError:
    problem = str(error) or "not msgpack"
    if "exceeds max_array_len" in problem or "exceeds max_map_len" in problem:
        return DecodeError(
            f"got an array or map with more than {MAX_CONTAINER_LENGTH} entries: {problem}",
            code=ErrorCode.TOO_LARGE,
            hint="Send a nav grid as `bin`, and split other data into several messages.",
        )
    return DecodeError(f"a frame must be one msgpack map with text keys: {problem[:200]}")


class _ValueBudget:
    """Counts values while a frame is unpacked, so that a bomb is refused before it unfolds."""

    def __init__(self) -> None:
        self._left = MAX_VALUES

    def spend(self, container: _Container) -> _Container:
        self._left -= len(container) + 1
        if self._left < 0:
            raise DecodeError(
                f"got a message of more than {MAX_VALUES} values",
                code=ErrorCode.TOO_LARGE,
                hint="Send the world in several patches.",
            )
        return container


def _check_values(value: Any, max_depth: int) -> None:
    """Refuse what msgpack or Python allows and the protocol does not. Depth 1 is `value` itself."""
    level: list[Any] = [value]
    for _ in range(max_depth):
        below: list[Any] = []
        for container in level:
            if isinstance(container, dict):
                for key in container:
                    if not isinstance(key, str):
                        raise DecodeError(f"map keys must be text, got {_told(key)}")
                items = container.values()
            else:
                items = container
            for item in items:
                if isinstance(item, (dict, list, tuple)):
                    below.append(item)
                elif isinstance(item, float) and not math.isfinite(item):
                    raise DecodeError(
                        f"numbers must be finite, got {item}", code=ErrorCode.BAD_BODY
                    )
                elif isinstance(item, (msgpack.ExtType, msgpack.Timestamp)):
                    raise DecodeError("msgpack extension types are not part of the protocol")
        if not below:
            return
        level = below
    raise _too_deep(max_depth)


def _too_deep(max_depth: int) -> DecodeError:
    return DecodeError(
        f"got a message nested deeper than {max_depth} levels",
        code=ErrorCode.TOO_DEEP,
        hint="The limit is `limits.max_depth` of `welcome`; the envelope's map is level 1.",
    )


def _read_id(fields: dict[str, Any]) -> int:
    message_id = fields.get("id")
    if type(message_id) is not int or not 0 <= message_id <= _MAX_ID:
        raise DecodeError(
            f"`id` must be an integer from 0 to 2^63-1, got {_told_field(fields, 'id')}",
            hint="Number your messages from 1, each higher than the one before.",
        )
    return message_id


def _envelope(
    fields: dict[str, Any], message_id: int, direction: Direction, limits: Limits
) -> Envelope:
    _check_values(fields, limits.max_depth)
    type_name = fields.get("type")
    if not isinstance(type_name, str):
        raise DecodeError(f"`type` must be text, got {_told_field(fields, 'type')}")
    body_model = MESSAGES[direction].get(type_name)
    if body_model is None:
        raise DecodeError(
            f"no message {_told(type_name)} goes {direction.value}",
            code=ErrorCode.UNKNOWN_TYPE,
            hint="schemas/protocol.md lists the messages of each direction.",
        )
    if body_model.is_about_npc and fields.get("npc_id") is None:
        raise DecodeError(f"{type_name} needs an `npc_id` beside its body, got none")
    try:
        body = body_model.__pydantic_validator__.validate_python(fields.get("body"), strict=True)
        return Envelope(
            type=type_name,
            id=message_id,
            reply_to=fields.get("reply_to"),
            npc_id=fields.get("npc_id"),
            body=body,
        )
    except ValidationError as e:
        raise _bad_fields(type_name, e) from e


def _bad_fields(type_name: str, error: ValidationError) -> DecodeError:
    in_envelope = error.title == Envelope.__name__
    num_mistakes = error.error_count()
    if num_mistakes > _MAX_ERRORS_READ:
        return DecodeError(
            f"{type_name}: {num_mistakes} mistakes in the body",
            code=ErrorCode.BAD_BODY,
            hint=f"Check it against the schema of {type_name} in schemas/.",
        )
    problems = [
        f"{'.'.join(map(str, ('body',) * (not in_envelope) + problem['loc']))}: "
        f"{problem['msg'][0].lower()}{problem['msg'][1:]}, got {_told(problem['input'])}"
        for problem in error.errors(include_url=False, include_context=False)[:_NUM_ERRORS_TOLD]
    ]
    if num_mistakes > len(problems):
        problems.append(f"and {num_mistakes - len(problems)} more")
    return DecodeError(
        f"{type_name}: {'; '.join(problems)}",
        code=ErrorCode.BAD_FRAME if in_envelope else ErrorCode.BAD_BODY,
        hint=f"The schema of {type_name} is in schemas/.",
    )


def _told_field(fields: dict[str, Any], name: str) -> str:
    return _told(fields[name]) if name in fields else "none"


def _told(value: Any) -> str:
    """A short description of untrusted data: never more than a few dozen characters."""
    if isinstance(value, dict):
        return f"a map of {len(value)}"
    if isinstance(value, (list, tuple)):
        return f"an array of {len(value)}"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:40] + "…")
    return repr(value)[:40]


def _with_base64(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {key: _with_base64(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_base64(item) for item in value]
    return value
