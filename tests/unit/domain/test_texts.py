"""What a text may be, and how it becomes what every medium can carry."""

import unicodedata
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom.domain.texts import REASON, SENTENCE, line, lines, listed, once

ANY = st.text(st.characters(exclude_categories=()), max_size=600)  # whatever a str can hold, halves of surrogates too


@given(ANY, st.integers(1, 400))
def test_a_line_has_nothing_but_what_is_seen(text: str, most: int) -> None:
    made = line(text, most)
    assert len(made) <= most
    assert made == " ".join(made.split())
    assert {unicodedata.category(each) for each in made if each not in "\u200c\u200d"} & {"Cc", "Cf", "Cs"} == set()
    assert line(made, most) == made
    assert (ET.fromstring(f"<p>{escape(made)}</p>").text or "") == made


@given(ANY)
def test_a_text_of_several_lines_keeps_them(text: str) -> None:
    made = lines(text)
    assert made.count("\n") == text.count("\n")
    assert {each for each in made if unicodedata.category(each) == "Cc"} <= {"\n"}
    made.encode()


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("all-hands at ten", "all-hands at ten"),
        ("Malmö, 東京, 👩‍👧", "Malmö, 東京, 👩‍👧"),
        ("a\x1b[31mred\x1b[0m", "a [31mred [0m"),
        ("first\r\nBcc: everybody", "first Bcc: everybody"),
        ("\u202eesrever", "esrever"),
        ("half \ud83d a pair", "half a pair"),
        ("\x00\x07", ""),
    ],
)
def test_a_line_as_it_was_typed(text: str, seen: str) -> None:
    assert line(text) == seen


def test_what_is_too_long_ends_with_an_ellipsis() -> None:
    assert line("x" * 201, REASON) == "x" * 199 + "…"
    assert line("x" * 200, REASON) == "x" * 200
    assert len(line("x " * 50_000)) == SENTENCE
    assert line(" " * 50_000 + "x", REASON) == "…"
    assert lines("a\n" * 30, 20) == "a\n" * 10 + "…"


def test_names_are_counted_once_and_a_sentence_lists_ten() -> None:
    assert once(["b", "a", "b"]) == ("b", "a")
    assert listed(["a", "b"]) == "a, b"
    assert listed([f"n{number}" for number in range(12)]).endswith("n9 and 2 more")
