"""Wrong predictions: what is told of them, and what is not."""

import re
from pathlib import Path

import nbformat
import pytest

from attnbook.checks import (
    additive_attention,
    decoder_only,
    experts_and_state_spaces,
    flash_attention,
    long_context,
    luong_attention,
    multi_head_attention,
    positions,
    scaled_dot_product,
    sharing_heads,
    soft_lookup,
    transformer,
)

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("checks", "grade_id"),
    [
        (soft_lookup, "00-predict"),
        (soft_lookup, "00-conclude"),
        (additive_attention, "01-predict"),
        (luong_attention, "02-predict"),
        (scaled_dot_product, "03-predict"),
        (multi_head_attention, "04-predict"),
        (positions, "05-predict"),
        (transformer, "06-predict"),
        (decoder_only, "07-predict"),
        (sharing_heads, "08-predict"),
        (long_context, "09-predict"),
        (flash_attention, "10-predict"),
        (experts_and_state_spaces, "12-predict"),
    ],
)
def test_a_wrong_guess_does_not_bring_out_the_right_number(checks, grade_id):
    exercise = checks.EXERCISES[grade_id]
    for case in exercise.cases:
        for wrong, called in [
            (0.3217, "the number 0.3217"),
            ("x", "a string"),
        ]:
            diagnosis = exercise.diagnose(
                lambda question, asked=case.arguments[0], wrong=wrong: (
                    wrong
                    if question == asked
                    else exercise.reference(question)
                )
            )
            title, tally, first, *rest = diagnosis.message.splitlines()
            others = [c.arguments[0] for c in exercise.cases if c is not case]
            assert title == f"✗ {exercise.title}"
            assert tally == (
                f"  {', '.join(others)} are right; {case.arguments[0]} is not."
            )
            if wrong == "x":
                asked = ", a number is asked for"
                assert rest == []
            else:
                asked = ""
                assert rest == [
                    f"  No known mistake gives this number. {case.look}"
                ]
            where = f"  Case “{case.name}”: "
            assert first == f"{where}{called} is not right{asked}."


@pytest.mark.parametrize(
    ("checks", "grade_id", "name"),
    [
        (soft_lookup, "00-predict", "00-soft-lookup"),
        (soft_lookup, "00-conclude", "00-soft-lookup"),
        (additive_attention, "01-predict", "01-additive-attention"),
        (luong_attention, "02-predict", "02-luong-attention"),
        (scaled_dot_product, "03-predict", "03-scaled-dot-product"),
        (multi_head_attention, "04-predict", "04-multi-head-attention"),
        (positions, "05-predict", "05-positions"),
        (transformer, "06-predict", "06-transformer"),
        (decoder_only, "07-predict", "07-decoder-only"),
        (sharing_heads, "08-predict", "08-sharing-heads"),
        (long_context, "09-predict", "09-long-context"),
        (flash_attention, "10-predict", "10-flash-attention"),
        (
            experts_and_state_spaces,
            "12-predict",
            "12-experts-and-state-spaces",
        ),
    ],
)
def test_the_hint_that_lists_the_steps_is_there(checks, grade_id, name):
    path = ROOT / "exercises" / f"{name}.ipynb"
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.id == f"{grade_id[3:]}-hints":
            hints = cell.source
    for case in checks.EXERCISES[grade_id].cases:
        numbers = re.findall(r"\d", case.look)
        assert numbers
        for number in numbers:
            summary = re.search(rf"Hint {number}: (.+)</summary>", hints)
            assert "I see" not in summary[1]


def test_the_first_wrong_prediction_is_named_after_the_tally():
    exercise = soft_lookup.EXERCISES["00-predict"]
    guesses = {"c": 5 / 8, "f": 40.0}

    def predict(question):
        return guesses.get(question, exercise.reference(question))

    diagnosis = exercise.diagnose(predict)
    lines = diagnosis.message.splitlines()
    assert lines[1] == "  a, b, d, e are right; c, f are not."
    assert diagnosis.mistake == "c: the masked key keeps its share"
