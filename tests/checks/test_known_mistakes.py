"""Each known mistake is rejected and named; right answers are accepted."""

import subprocess
import sys


def test_a_known_mistake_is_rejected_and_named(exercise, mistake):
    diagnosis = exercise.diagnose(mistake.answer)
    assert diagnosis is not None, "the mistake is accepted"
    assert diagnosis.mistake == mistake.name, diagnosis.message
    for part in (mistake.name, mistake.sentence, mistake.look):
        assert part in diagnosis.message
    assert len(diagnosis.message.splitlines()) <= 8


def test_other_code_that_makes_a_mistake_is_named_alike(chapter, exercise):
    for mistake in exercise.mistakes:
        for made in mistake.also:
            diagnosis = exercise.diagnose(made)
            # Whether an unstable sort gets ties wrong hangs on the machine.
            assert diagnosis is None or diagnosis.mistake == mistake.name


def test_the_reference_is_accepted(chapter, exercise):
    assert exercise.diagnose(exercise.reference) is None


def test_right_answers_written_otherwise_are_accepted(chapter, exercise):
    assert len(exercise.right_answers) >= 2
    for answer in exercise.right_answers:
        diagnosis = exercise.diagnose(answer)
        assert diagnosis is None, diagnosis.message


def test_every_exercise_knows_at_least_five_mistakes(chapter, exercise):
    assert len(exercise.mistakes) >= 5


def test_a_mistake_says_what_is_wrong_and_where_to_look(chapter, exercise):
    for mistake in exercise.mistakes:
        assert mistake.sentence.endswith(".")
        assert mistake.look.endswith((".", "?"))
        assert mistake.look != mistake.sentence


def test_an_answer_that_knows_the_shapes_alone_is_rejected(chapter, exercise):
    """It returns what is right for other numbers of the same shapes."""
    memory = {}

    def remembers_shapes(*arguments, **keywords):
        shapes = str([getattr(x, "shape", None) for x in arguments])
        if shapes not in memory:
            memory[shapes] = exercise.reference(*arguments, **keywords)
            return None
        return memory[shapes]

    assert exercise.diagnose(remembers_shapes) is not None


def test_the_checks_of_chapter_00_do_without_torch():
    program = (
        "import sys, attnbook.checks.soft_lookup\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
