import pytest

from mailings.addressing.unseen import tidy


@pytest.mark.parametrize(
    "text",
    [
        "Анна Ким",
        "O'Neil – «Вестник»",
        "две\r\nстроки\tи табуляция",
        "\u0646\u0627\u0645\u0647\u200c\u0627\u06cc",  # Persian: the non-joiner is spelling
        "\u0915\u094d\u200d\u0937",  # Hindi: so is the joiner
        "👨\u200d👩\u200d👧",
        "❤\ufe0f",
        "1\ufe0f\u20e3",
        "👩🏽\u200d❤\ufe0f\u200d👨",
        "葛\U000e0100",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    ],
)
def test_what_is_part_of_a_letter_or_a_picture_stays(text):
    assert tidy(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Ан\u200bна", "Анна"),
        ("\ufeffАнна", "Анна"),
        ("Ан\u00adна", "Анна"),
        ("\u202eанна\u202c", "анна"),
        ("Ан\u200dна\u200c", "Анна"),
        ("An\ufe0fna", "Anna"),
        ("Анна\u00a0Ким", "Анна Ким"),
        ("А\x00н\x1bна", "Анна"),
        ("x\U000e0067\U000e007f", "x"),
        ("\u3164", ""),
    ],
)
def test_what_nobody_sees_goes(text, left):
    assert tidy(text) == left
    assert tidy(left) == left
