"""What the tools of items share: counts, and the refusals for want of an item.

Nothing here moves an item: whatever changes hands is an action of the engine. Checks read the
snapshot; items of an action under way are reserved, so that two actions cannot promise the same
one.
"""

from typing import Annotated

from pydantic import Field

from npc_brain.language.en import wording
from npc_brain.schema.marks import Domain
from npc_brain.tools import domains
from npc_brain.tools.spec import ToolContext, ToolResult, refusal

Amount = Annotated[int, Field(ge=1)]


def holding(ctx: ToolContext, item_id: str) -> ToolResult:
    """How many of an item the NPC holds, as an answer."""
    world = ctx.world
    item = world.items[item_id]
    count = world.held(ctx.npc_id, item_id)
    text = f"{world.name_of(ctx.npc_id)} has {wording.counted(count, item.name)}"
    data = {"item": item_id, "name": item.name, "count": count}
    if item.price is not None and world.currency is not None:
        data["price"] = item.price
        text += f", worth {wording.counted(item.price, world.name_of(world.currency))} each"
    data["available"] = domains.available(ctx, item_id)
    variant = "" if count else "none"
    return ToolResult(ok=True, data=data, text=wording.sentence(text), variant=variant)


def too_few(ctx: ToolContext, item_id: str, count: int) -> ToolResult | None:
    """The refusal to part with `count` of an item, if there are not as many to promise."""
    world = ctx.world
    free = domains.available(ctx, item_id)
    if free >= count:
        return None
    npc, name = world.name_of(ctx.npc_id), world.name_of(item_id)
    if not world.held(ctx.npc_id, item_id):
        return refusal("not_held", f"{npc} has no {name}.", item=item_id, available=0)
    text = f"{npc} has only {wording.counted(free, name)} to spare."
    return refusal("too_few", text, item=item_id, available=free)


def lacking(ctx: ToolContext, holder_id: str, item_id: str, count: int) -> ToolResult | None:
    """The refusal to take `count` of an item that `holder_id` is known not to have."""
    limit = domains.count_limit(Domain.SPEAKER_ITEM, ctx, item_id, holder_id)
    if limit is None or limit >= count:
        return None
    holder, what = ctx.world.name_of(holder_id), wording.counted(limit, ctx.world.name_of(item_id))
    return refusal("speaker_lacks", f"{holder} has only {what}.", item=item_id, available=limit)
