"""Gives the tests of the exercises their chapter, exercise or mistake."""

from __future__ import annotations

import pytest
from chapters_and_notebooks import chapters

from attnbook.judging.exercise import Exercise


@pytest.fixture(autouse=True)
def no_seed_is_left(monkeypatch):
    """Tests of a class set one for as long as their process lives."""
    monkeypatch.setattr(Exercise, "secret_seed", None)


def pytest_generate_tests(metafunc):
    """Give a test its chapter, exercise or mistake, one at a time.

    The names of all begin with the chapter's, as its notebooks and as its
    checks spell it: ``-k soft_lookup`` and ``-k soft-lookup`` find the same.
    """
    if "mistake" in metafunc.fixturenames:
        metafunc.parametrize(
            ("exercise", "mistake"),
            [
                pytest.param(
                    exercise,
                    mistake,
                    id=f"{chapter.spelt} {grade_id}: {mistake.name}",
                )
                for chapter in chapters()
                for grade_id, exercise in chapter.exercises.items()
                for mistake in exercise.mistakes
            ],
        )
    elif "exercise" in metafunc.fixturenames:
        metafunc.parametrize(
            ("chapter", "exercise"),
            [
                pytest.param(
                    chapter, exercise, id=f"{chapter.spelt} {grade_id}"
                )
                for chapter in chapters()
                for grade_id, exercise in chapter.exercises.items()
            ],
        )
    elif "chapter" in metafunc.fixturenames:
        metafunc.parametrize(
            "chapter",
            [
                pytest.param(chapter, id=chapter.spelt)
                for chapter in chapters()
            ],
        )
