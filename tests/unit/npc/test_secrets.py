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


@pytest.mark.parametrize("text", ["5o1l", "50il", "5O11!", "s011", "the s-0-1-l"])
def test_digits_stand_for_letters(text: str) -> None:
    assert spelled_secret(text, ("soil",)) == "soil"


def test_a_number_is_no_word() -> None:
    assert spelled_secret("That makes 5011 coins, and 5 011 more.", ("soil",)) is None
    assert spelled_secret("The lock opens at 5011.", ("5011",)) == "5011"
