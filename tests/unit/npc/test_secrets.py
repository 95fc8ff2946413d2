import pytest

from npc_brain.npc.secrets import spelled_secret

SECRET = "Smugglers hide brandy behind the barrels."


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        "Well... smugglers hide brandy, behind the BARRELS!",
        "Between us: smugglers hid brandy behind the barrel, I swear.",
    ],
)
def test_a_secret_is_found_through_small_changes(text: str) -> None:
    assert spelled_secret(text, ("x marks the spot", SECRET)) == SECRET


@pytest.mark.parametrize(
    "text", ["", "The barrels", "I keep brandy in the barrels.", "behind the barrels", "...?!"]
)
def test_other_lines_pass(text: str) -> None:
    assert spelled_secret(text, (SECRET, "", "...")) is None


def test_a_short_secret_must_be_whole_words() -> None:
    assert spelled_secret("her name is ANN.", ("Ann",)) == "Ann"
    assert spelled_secret("an annoying cannon", ("Ann",)) is None
