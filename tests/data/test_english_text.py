"""The English text: three parts that have next to nothing in common."""

import platform

import pytest

from attnbook.data import english_text
from attnbook.data.english_text import PARTS, PYTHON, english


def windows(text, length=50):
    return {text[at : at + length] for at in range(len(text) - length + 1)}


def shared(text, other, length=50):
    """The share of a text's windows of 50 characters that another has."""
    theirs = windows(other)
    begins = range(len(text) - length + 1)
    return sum(text[at : at + length] in theirs for at in begins) / len(begins)


def test_there_is_enough_of_it_and_most_of_it_is_for_training():
    sizes = {part: len(english(part)) for part in PARTS}
    assert sizes["train"] > 200_000
    for part in ("validation", "held-out"):
        assert sizes[part] > 20_000
        assert sizes[part] / sum(sizes.values()) == pytest.approx(
            0.1, abs=0.02
        )


@pytest.mark.parametrize("part", ["validation", "held-out"])
def test_what_is_held_out_is_not_in_the_training_text(part):
    assert shared(english(part), english("train")) < 0.06


def test_the_two_parts_that_are_held_out_do_not_overlap_either():
    assert shared(english("held-out"), english("validation")) < 0.06


def test_no_paragraph_occurs_twice_in_any_part():
    paragraphs = [
        " ".join(paragraph.split())
        for part in PARTS
        for paragraph in english(part).split("\n\n")
        if paragraph.strip()
    ]
    assert len(paragraphs) == len(set(paragraphs))


def test_if_repeats_stayed_a_third_of_it_would_be_known():
    parts = {part: "" for part in PARTS}
    for number, block in enumerate(
        english_text._blocks(english_text._paragraphs())
    ):
        parts[english_text._part_of(number)] += block
    assert shared(parts["held-out"], parts["train"]) > 0.25


def test_it_is_prose_about_python():
    assert "the" in english("train").split()
    assert "Python" in english("held-out")


def test_the_version_is_that_of_python():
    assert platform.python_version() == PYTHON


def test_another_part_is_refused():
    with pytest.raises(ValueError, match=r"unknown part 'test'.*'held-out'"):
        english("test")
