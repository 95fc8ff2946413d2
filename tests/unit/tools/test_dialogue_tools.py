from npc_brain.tools.spec import ToolContext
from tests.unit.tools.test_inventory_tools import answer
from tests.unit.tools.village import ListMemory, context


def test_saying_and_showing() -> None:
    assert answer("say", text="Well met!").data == {"text": "Well met!"}
    assert answer("emote", emotion="happy").data == {"emotion": "happy", "gesture": "none"}
    assert answer("emote", emotion="sad", gesture="nod").text == "Mira looks sad."
    assert answer("end_conversation").ok


def test_memory() -> None:
    memory = ListMemory()
    ctx = ToolContext(context().world, "mira", "bo", {}, memory)
    assert answer("recall", ctx, query="coins").reason == "nothing_recalled"
    assert answer("remember", ctx, text="Bo owes me 2 coins.").ok
    assert memory.kept == [("Bo owes me 2 coins.", "bo")]
    found = answer("recall", ctx, query="coins")
    assert found.data == {"memories": ["Bo owes me 2 coins."]}
    assert found.text == "Mira remembers: Bo owes me 2 coins."


def test_choices() -> None:
    assert answer("offer_choices", options=["Yes", "No"]).data == {"choices": ["Yes", "No"]}
    for options in (["Yes"], ["a", "b", "c", "d", "e"], ["Yes", "Yes"], ["", "No"]):
        assert answer("offer_choices", options=options).reason == "bad_arguments"
