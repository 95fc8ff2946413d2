"""From a tool's schema to what is legal now, and back: checking the arguments that came.

`legal_schema` is what a grammar is built from. `validate_arguments` checks the same and more when a
call is carried out, since authored calls pass no grammar and the world may have changed since.
"""

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from npc_brain.plain_text import plain_text
from npc_brain.schema.check import first_fault
from npc_brain.schema.marks import Domain, Ref, Schema, ref_of
from npc_brain.schema.narrow import narrowed, with_defaults
from npc_brain.schema.subset import is_choice
from npc_brain.tools import domains
from npc_brain.tools.spec import Arguments, Tool, ToolContext, ToolResult, refusal

MAX_UNKNOWN_COUNT = 99
"""The most that a count may be when the game has not told how many there are."""


def legal_schema(tool: Tool, ctx: ToolContext) -> dict[str, Any] | None:
    """The tool's schema narrowed to what exists now.

    None when a required argument has no legal value: then the tool is not legal. An optional
    argument without a legal value is left out.
    """
    return narrowed(tool.schema, _Known(ctx))


def validate_arguments(
    tool: Tool, ctx: ToolContext, args: dict[str, Any]
) -> Arguments | ToolResult:
    """The arguments of a call, or the refusal of the first that is wrong.

    Defaults are filled in, and open texts made `plain_text`.
    """
    filled = _with_plain_text(tool.schema, with_defaults(tool.schema, args, _Known(ctx)))

    def holder(ref: Ref) -> str | None:
        holder_id = filled.get(ref.of)
        return holder_id if isinstance(holder_id, str) else None

    def is_known(schema: Schema, value: str) -> bool:
        ref = ref_of(schema)
        return ref is None or value in domains.ids(ref.domain, ctx, holder(ref))

    fault = first_fault(tool.schema, filled, is_known=is_known)
    if fault is not None:
        ref = ref_of(fault.schema)
        if ref is not None and isinstance(fault.value, str):
            return domains.unknown(ref.domain, ctx, fault.value, holder(ref))
        return refusal("bad_arguments", f"{fault.path or 'The call'} {fault.problem}.")
    try:
        return tool.arguments.model_validate(filled)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return refusal("bad_arguments", f"{tool.name}: {where}: {first['msg']}.")


@dataclass(frozen=True, slots=True)
class _Known:
    """What exists in a context; see `schema.narrow.Known`."""

    ctx: ToolContext

    def ids(self, domain: Domain) -> list[str]:
        return domains.ids(domain, self.ctx)

    def most(self, domain: Domain) -> int:
        ctx = self.ctx
        limits = [
            domains.count_limit(domain, ctx, item_id, ctx.speaker_id)
            for item_id in domains.ids(domain, ctx)
        ]
        return max((MAX_UNKNOWN_COUNT if limit is None else limit for limit in limits), default=0)

    def default(self, ref: Ref) -> str | None:
        value = self.ctx.npc_id if ref.default == "self" else self.ctx.speaker_id
        return value if value in domains.ids(ref.domain, self.ctx) else None


def _with_plain_text(schema: Schema, value: Any) -> Any:
    if isinstance(value, str):
        return value if is_choice(schema) else plain_text(value)
    if isinstance(value, list | tuple) and "items" in schema:
        return [_with_plain_text(schema["items"], item) for item in value]
    if isinstance(value, dict):
        known = schema.get("properties", {})
        return {name: _with_plain_text(known.get(name, {}), inner) for name, inner in value.items()}
    return value
