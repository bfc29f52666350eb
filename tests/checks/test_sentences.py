"""Whoever ignores a sentence of an exercise fails in a case that is named.

``SENTENCES`` of ``sentences_CHECKS.py`` lists them: by grade_id the sentence
as the notebook has it, an answer that ignores it (the name of a known mistake
or a function), and a case, or the sentence of a property, that this answer
gets wrong.
"""

import importlib

import pytest
from chapters_and_notebooks import chapters, text_of

ROWS = [
    pytest.param(
        chapter, grade_id, *row, id=f"{chapter.spelt} {grade_id}: {row[0]}"
    )
    for chapter in chapters()
    for grade_id, rows in importlib.import_module(
        f"sentences_{chapter.checks.__name__.rpartition('.')[2]}"
    ).SENTENCES.items()
    for row in rows
]


@pytest.mark.parametrize(
    ("whose", "grade_id", "sentence", "ignoring", "case"), ROWS
)
def test_who_ignores_a_sentence_fails_in_its_case(
    whose, grade_id, sentence, ignoring, case
):
    exercise = whose.exercises[grade_id]
    text = " ".join(text_of(whose, exercise).split())
    assert " ".join(sentence.split()) in text, (
        f"{grade_id}: expected the text to say “{sentence}”"
    )
    known = {mistake.name: mistake.answer for mistake in exercise.mistakes}
    answer = ignoring if callable(ignoring) else known[ignoring]
    missed = exercise.missed(answer)
    assert case in missed, (
        f"{grade_id}, “{sentence}”: expected who ignores it to fail in "
        f"“{case}”, got {missed}"
    )


def test_every_exercise_lists_its_sentences(chapter, exercise):
    listed = [row for row in ROWS if row.values[1] == exercise.grade_id]
    assert len(listed) >= 3, (
        f"{exercise.grade_id}: expected three sentences or more in "
        f"tests/checks/sentences_….py, got {len(listed)}: ask of each "
        "sentence of the text which case fails if it is ignored"
    )
