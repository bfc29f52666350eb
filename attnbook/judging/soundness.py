"""Whether an exercise keeps its promises; for the tests of exercises."""

from __future__ import annotations

from attnbook.judging.exercise import Exercise
from attnbook.judging.messages import LONGEST_MESSAGE
from attnbook.judging.troubles import name_of


def assert_sound(exercise: Exercise) -> None:
    """Assert that an exercise keeps its promises.

    The reference and each other right answer are accepted; each known
    mistake is rejected and named, by its own name, and so is other code
    that makes it, if it is rejected; every message has at most eight lines.
    """
    for right in (exercise.reference, *exercise.right_answers):
        diagnosis = exercise.diagnose(right)
        assert diagnosis is None, (
            f"{exercise.grade_id} rejects the right answer "
            f"{name_of(right)}:\n{diagnosis.message}"
        )
    for mistake in exercise.mistakes:
        diagnosis = exercise.diagnose(mistake.answer)
        assert diagnosis is not None, (
            f"{exercise.grade_id} accepts the mistake “{mistake.name}”"
        )
        assert diagnosis.mistake == mistake.name, (
            f"{exercise.grade_id} takes the mistake “{mistake.name}” for "
            f"{diagnosis.mistake!r}:\n{diagnosis.message}"
        )
        for part in (mistake.name, mistake.sentence, mistake.look):
            assert part in diagnosis.message, (
                f"{exercise.grade_id}, “{mistake.name}”: the message "
                f"leaves out {part!r}:\n{diagnosis.message}"
            )
        assert len(diagnosis.message.splitlines()) <= LONGEST_MESSAGE
        for made in mistake.also:
            diagnosis = exercise.diagnose(made)
            assert diagnosis is None or diagnosis.mistake == mistake.name, (
                f"{exercise.grade_id} takes other code of the mistake "
                f"“{mistake.name}” for {diagnosis.mistake!r}"
            )
