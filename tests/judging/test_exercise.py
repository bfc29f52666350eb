"""What an exercise accepts, how it runs an answer, and the points."""

import contextlib
import sys
import warnings

import numpy as np
import pytest
from softmax_exercise import BIG, MISTAKES, SMALL, exercise, softmax, unhurried

from attnbook.judging.exercise import (
    Case,
    Exercise,
    Mistake,
    Property,
    WrongAnswer,
    points_so_far,
)
from attnbook.judging.soundness import assert_sound


def test_a_right_answer_prints_one_line_and_returns_nothing(capsys):
    assert exercise().check(softmax) is None
    printed = capsys.readouterr()
    assert printed.out == "✓ Softmax: 5 of 5 points\n"
    assert printed.err == ""


def test_each_call_gets_its_own_copy_of_the_inputs():
    def greedy(scores):
        scores[:] = 0
        return softmax(scores)

    made = exercise()
    made.diagnose(greedy)
    assert made.diagnose(softmax) is None


def test_a_property_is_told_by_its_sentence():
    made = Exercise(
        "00-rows",
        "Rows",
        2,
        softmax,
        [Case("zeros", (np.zeros((1, 2)),))],
        [Mistake("halves", "You return halves.", lambda s: s * 0 + 0.5, "x.")],
        properties=[
            (
                "A large score takes it all.",
                lambda f: f(BIG.arguments[0]).max() > 0.9,
            )
        ],
    )
    diagnosis = made.diagnose(lambda s: s * 0 + 0.5)
    assert diagnosis.kind == "property"
    assert "A large score takes it all." in diagnosis.message
    assert diagnosis.mistake == "halves"
    assert made.diagnose(lambda s: np.full_like(s, 1 / s.shape[-1])).kind == (
        "property"
    )


def test_a_property_in_which_the_answer_raises_does_not_hold():
    made = exercise(
        properties=[
            Property("It takes vectors.", lambda f: f("x"), "chapter 0.")
        ]
    )
    text = made.diagnose(unhurried).message
    assert "It takes vectors." in text
    assert "Look again: chapter 0." in text


def test_a_function_taken_away_is_missed_only_while_the_answer_runs():
    def logarithmic(scores):
        return np.exp(np.log(softmax(scores)))

    made = exercise(forbidden=["numpy.log"], right_answers=())
    text = made.diagnose(logarithmic).message
    assert "`numpy.log`, which is taken away" in text
    assert np.log(1.0) == 0.0


def test_catching_the_refusal_does_not_help():
    def sly(scores):
        with contextlib.suppress(Exception):
            np.log(scores)
        return softmax(scores)

    made = exercise(forbidden=["numpy.log"])
    assert made.diagnose(sly).kind == "forbidden"


def test_a_loop_can_be_forbidden():
    made = exercise(forbidden=["loop"])
    assert made.diagnose(unhurried).kind == "forbidden"
    assert made.diagnose(softmax) is None

    def waits(scores):
        while True:
            return softmax(scores)

    assert made.diagnose(waits) is None

    def counts(scores):
        i = 0
        while i < 3:
            i += 1
        return softmax(scores)

    assert made.diagnose(counts).kind == "forbidden"


def test_a_class_is_built_and_called_by_run():
    class Scale:
        def __init__(self, factor):
            self.factor = factor

        def __call__(self, x):
            return self.factor * x

    class Shift(Scale):
        def __call__(self, x):
            return self.factor + x

    made = Exercise(
        "00-scale",
        "Scale",
        1,
        Scale,
        [Case("three", (3.0, np.ones(2)))],
        [Mistake("shift", "You add.", Shift, "scale.")],
        run=lambda answer, factor, x: answer(factor)(x),
    )
    assert_sound(made)
    assert made.diagnose(Scale(3.0)).kind == "not callable"
    assert "Expected a class" in made.diagnose(lambda x: x).message

    class Old(Scale):
        def __init__(self):
            pass

    assert "`factor` 3.0, `x` (2,)" in made.diagnose(Old).message


def test_run_may_raise_a_wrong_answer_of_its_own():
    def run(answer, x):
        raise WrongAnswer("It has no parameter called `scale`.")

    made = Exercise("00-run", "Run", 1, softmax, [SMALL], run=run)
    assert "no parameter called `scale`" in made.diagnose(softmax).message


def test_a_reference_that_fails_once_is_asked_again():
    troubles = [MemoryError()]

    def reference(x):
        if troubles:
            raise troubles.pop()
        return x

    made = Exercise("t", "T", 1, reference, [Case("a", (1,))])
    with pytest.raises(RuntimeError, match="the reference fails"):
        made.check(lambda x: x)
    assert made.earned == 0
    assert made.diagnose(lambda x: x) is None
    assert made.diagnose(lambda x: x + 1).kind == "value"


def test_random_numbers_are_the_same_for_answer_and_reference():
    def noisy(x):
        return x + np.random.normal(size=x.shape)

    before = np.random.get_state()[1][:5]
    made = Exercise("00-noise", "Noise", 1, noisy, [SMALL])
    assert made.diagnose(lambda x: noisy(x)) is None
    assert (np.random.get_state()[1][:5] == before).all()


def test_what_an_answer_writes_to_stderr_goes_to_stdout(capsys):
    def loud(scores):
        print("in the answer", file=sys.stderr)
        return softmax(scores)

    exercise().check(loud)
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "in the answer" in printed.out


def test_warnings_of_the_reference_are_not_shown():
    def loud(scores):
        warnings.warn("from the reference", stacklevel=1)
        return softmax(scores)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        exercise(reference=loud).check(softmax)
    assert caught == []


def test_points_so_far_counts_what_passed_last(capsys):
    first, second, third = (
        Exercise(f"00-{name}", name, points, softmax, [SMALL])
        for name, points in (("one", 5), ("two", 3), ("three", 12))
    )
    first.check(softmax)
    for answer in (softmax, None):
        with contextlib.suppress(WrongAnswer):
            second.check(answer)
    capsys.readouterr()
    points_so_far([first, second, third])
    lines = capsys.readouterr().out.splitlines()
    assert "5 / 5   ✓" in lines[2]
    assert "0 / 3   ✗" in lines[3]
    assert "not run yet" in lines[4]
    assert lines[-1].split() == ["Total", "5", "/", "20"]


def test_points_so_far_takes_the_table_of_a_chapter(capsys):
    points_so_far({"00-softmax": exercise()})
    assert "0 / 5" in capsys.readouterr().out


def test_an_exercise_without_cases_is_refused():
    with pytest.raises(ValueError, match="at least one case"):
        exercise(cases=())


def test_mistakes_need_names_of_their_own():
    with pytest.raises(ValueError, match="names of their own"):
        exercise(mistakes=[MISTAKES[0], MISTAKES[0]])


def test_errors_that_a_notebook_asked_numpy_for_are_not_those_of_the_checks():
    exercise = Exercise(
        "t", "T", 1, np.exp, [Case("far out", (np.array([-1e4]),))]
    )
    with np.errstate(all="raise"):
        assert exercise.diagnose(np.zeros_like) is None
