"""Each known mistake is rejected and named; right answers are accepted."""

import subprocess
import sys


def test_a_known_mistake_is_rejected_and_named(exercise, mistake):
    diagnosis = exercise.diagnose(mistake.answer)
    where = f"{exercise.grade_id}, mistake “{mistake.name}”"
    assert diagnosis is not None, (
        f"{where}: it is accepted: add a case that it gets wrong"
    )
    assert diagnosis.mistake == mistake.name, (
        f"{where}: expected to be named, got {diagnosis.mistake!r}: on the "
        "cases, let it differ from the other mistakes; the message is\n"
        f"{diagnosis.message}"
    )
    for part in (mistake.name, mistake.sentence, mistake.look):
        assert part in diagnosis.message, f"{where}: not told: {part}"
    lines = len(diagnosis.message.splitlines())
    assert lines <= 8, (
        f"{where}: expected a message of 8 lines at most, got {lines}: "
        f"shorten its sentences\n{diagnosis.message}"
    )


def test_other_code_that_makes_a_mistake_is_named_alike(chapter, exercise):
    for mistake in exercise.mistakes:
        for made in mistake.also:
            diagnosis = exercise.diagnose(made)
            # Whether an unstable sort gets ties wrong hangs on the machine.
            assert diagnosis is None or diagnosis.mistake == mistake.name


def test_the_reference_is_accepted(chapter, exercise):
    diagnosis = exercise.diagnose(exercise.reference)
    assert diagnosis is None, diagnosis.message


def test_right_answers_written_otherwise_are_accepted(chapter, exercise):
    assert len(exercise.right_answers) >= 2, (
        f"{exercise.grade_id}: expected two right answers or more, written "
        f"differently, got {len(exercise.right_answers)}: add some to "
        "`right_answers`, so that the check stays fair"
    )
    for answer in exercise.right_answers:
        diagnosis = exercise.diagnose(answer)
        assert diagnosis is None, diagnosis.message


def test_every_exercise_knows_at_least_five_mistakes(chapter, exercise):
    assert len(exercise.mistakes) >= 5, (
        f"{exercise.grade_id}: expected five known mistakes or more, got "
        f"{len(exercise.mistakes)}: add what learners write to `mistakes`"
    )


def test_a_mistake_says_what_is_wrong_and_where_to_look(chapter, exercise):
    for mistake in exercise.mistakes:
        where = f"{exercise.grade_id}, mistake “{mistake.name}”"
        assert mistake.sentence.endswith("."), (
            f"{where}: expected a sentence with a full stop that says what "
            f"is wrong, got {mistake.sentence!r}"
        )
        assert mistake.look.endswith((".", "?")), (
            f"{where}: expected a sentence or a question that says where to "
            f"look, got {mistake.look!r}"
        )
        assert mistake.look != mistake.sentence, (
            f"{where}: says the same twice: let the second sentence say "
            "where to look"
        )


def test_an_answer_that_knows_the_shapes_alone_is_rejected(chapter, exercise):
    """It returns what is right for other numbers of the same shapes."""
    memory = {}

    def remembers_shapes(*arguments, **keywords):
        shapes = str([getattr(x, "shape", None) for x in arguments])
        if shapes not in memory:
            memory[shapes] = exercise.reference(*arguments, **keywords)
            return None
        return memory[shapes]

    assert exercise.diagnose(remembers_shapes) is not None, (
        f"{exercise.grade_id}: an answer that looks at shapes alone is "
        "accepted: add a case of the same shapes with other numbers"
    )


def test_the_checks_of_chapter_00_do_without_torch():
    program = (
        "import sys, attnbook.checks.soft_lookup\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
