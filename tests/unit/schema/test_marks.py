"""Marks: one vocabulary, which every reader knows in full."""

from typing import Annotated, get_args

import pytest
from pydantic import BaseModel

from npc_brain.npc.checks import WorldIds
from npc_brain.schema.marks import CountOf, Domain, Kind, Ref, counted_by, ref_of
from npc_brain.tools import domains
from tests.unit.tools.village import context

ALL = WorldIds(frozenset("i"), frozenset("p"), frozenset("e"), frozenset("t"))
KNOWN = {"item": "i", "place": "p", "person": "e", "object": "e", "tag": "t"}


class Order(BaseModel):
    """Arguments with every mark."""

    item: Annotated[str, Ref(Domain.SPEAKER_ITEM, of="who")]
    count: Annotated[int, CountOf("item")]
    who: Annotated[str, Ref(Domain.PERSON, default="speaker")]
    text: str


def test_what_is_written_is_read() -> None:
    properties = Order.model_json_schema()["properties"]
    assert ref_of(properties["item"]) == Ref(Domain.SPEAKER_ITEM, of="who")
    assert ref_of(properties["who"]) == Ref(Domain.PERSON, default="speaker")
    assert ref_of(properties["text"]) is None
    assert {name: counted_by(part) for name, part in properties.items()} == {
        "item": "", "count": "item", "who": "", "text": "",
    }  # fmt: skip


def test_an_unknown_domain_is_an_error() -> None:
    with pytest.raises(ValueError, match="dragon"):
        ref_of({"x-ref": "dragon"})


@pytest.mark.parametrize("domain", Domain)
def test_every_reader_knows_every_domain(domain: Domain) -> None:
    assert domain.kinds <= set(get_args(Kind))
    assert domains.ids(domain, context())
    refused = domains.unknown(domain, context(), "<nothing>", None)
    assert refused.reason.startswith("unknown_")
    known, what = ALL.of_domain(domain)
    assert known == {KNOWN[kind] for kind in domain.kinds}
    assert set(what.split(" or ")) <= {"item", "place", "entity", "tag"}
