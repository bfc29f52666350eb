"""What a learner reads when an answer is right, wrong or not there."""

import contextlib
import sys
import warnings

import numpy as np
import pytest

from attnbook.judging.exercise import (
    Case,
    Exercise,
    Mistake,
    Property,
    WrongAnswer,
    points_so_far,
)
from attnbook.judging.soundness import assert_sound


def softmax(scores, axis=-1):
    powers = np.exp(scores - scores.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


@np.errstate(all="ignore")
def unshifted(scores):
    return np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)


SMALL = Case("a small matrix", (np.array([[1.0, 2.0, 3.0], [0, 0, 1]]),))
BIG = Case("big scores", (np.array([[1000.0, 2.0, 3.0]]),))
MISTAKES = (
    Mistake(
        "no shift", "You exponentiate big numbers.", unshifted, "section 3."
    ),
    Mistake(
        "wrong axis",
        "Your columns sum to 1.",
        lambda scores: softmax(scores, 0),
        "section 2.",
    ),
    Mistake(
        "lost axis",
        "Your maximum drops its axis.",
        lambda scores: np.exp(scores - scores.max(-1)),
        "the shapes.",
    ),
)


def exercise(reference=softmax, cases=(SMALL, BIG), **more):
    more = {"mistakes": MISTAKES, "right_answers": [unhurried]} | more
    return Exercise("00-softmax", "Softmax", 5, reference, cases, **more)


def unhurried(scores):
    rows = [np.exp(row - row.max()) for row in scores]
    return np.stack([row / row.sum() for row in rows])


def message(answer, **more):
    with pytest.raises(WrongAnswer) as caught:
        exercise(**more).check(answer)
    return str(caught.value)


def test_a_right_answer_prints_one_line_and_returns_nothing(capsys):
    assert exercise().check(softmax) is None
    printed = capsys.readouterr()
    assert printed.out == "✓ Softmax: 5 of 5 points\n"
    assert printed.err == ""


def test_each_mistake_is_named_and_each_right_answer_accepted():
    assert_sound(exercise())


def test_a_mistake_is_named_with_its_sentence_and_where_to_look():
    text = message(lambda scores: softmax(scores, axis=0))
    assert "“a small matrix”" in text
    assert "known mistake: wrong axis" in text
    assert "Your columns sum to 1." in text
    assert "Look again: section 2." in text
    assert len(text.splitlines()) <= 8


def test_a_mistake_that_shows_only_in_the_second_case_is_named_there():
    text = message(unshifted)
    assert "“big scores”" in text
    assert "NaN" in text
    assert "no shift" in text


def test_a_mistake_that_raises_is_known_by_its_exception():
    text = message(lambda scores: scores - scores.max(-1))
    assert "raised ValueError" in text
    assert "lost axis" in text


def test_another_exception_names_no_mistake():
    diagnosis = exercise().diagnose(lambda scores: scores.nothing)
    assert diagnosis.kind == "exception"
    assert diagnosis.mistake is None


def test_what_only_resembles_a_mistake_is_not_named_as_one():
    diagnosis = exercise().diagnose(lambda s: softmax(s, 0) + 0.001)
    assert diagnosis.mistake is None


def test_of_two_mistakes_alike_where_it_fails_the_closer_one_is_named():
    both = [
        Mistake("first", "One.", lambda x: 0, "here."),
        Mistake("second", "Two.", lambda x: 0 if x == 1 else 7, "here."),
    ]
    made = Exercise(
        "00-same",
        "Same",
        1,
        lambda x: x,
        [Case("one", (1,)), Case("two", (2,))],
        both,
    )
    assert made.diagnose(lambda x: 0 if x == 1 else 7).mistake == "second"
    assert_sound(made)


def test_a_mistake_within_the_tolerance_where_it_fails_is_not_named():
    made = Exercise(
        "00-near",
        "Near",
        1,
        lambda x: x,
        [Case("zero", (0.0,)), Case("two", (2.0,))],
        [Mistake("five", "Five.", lambda x: 5.0 if x else 0.8e-5, "here.")],
    )
    diagnosis = made.diagnose(lambda x: x + 1.5e-5)
    assert diagnosis.kind == "value"
    assert diagnosis.mistake is None


def test_the_first_entry_that_differs_is_shown_with_how_many_differ():
    text = message(lambda s: softmax(s) + np.array([0, 0.1, 0]), mistakes=())
    assert "output[0, 1] should be 0.2447, yours is 0.3447." in text
    assert "2 of 6 entries differ." in text


def test_numbers_that_look_alike_are_written_until_they_differ():
    text = message(lambda s: softmax(s) + 1e-7, mistakes=(), tolerance=1e-9)
    assert "should be 0.0900306, yours is 0.0900307" in text


def test_a_wrong_shape_is_shown_beside_the_expected_one():
    text = message(
        lambda s: softmax(s)[:, :2], axes={"output": "T S"}, mistakes=()
    )
    assert "expected (2, 3) (2 × 3), that is T = 2, S = 3" in text
    assert "got (2, 2)" in text


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda s: softmax(s).T, "The axes are in another order"),
        (lambda s: softmax(s)[None], "an axis of length 1"),
        (lambda s: softmax(s).sum(-1), "It has 1 axis; 2 expected."),
    ],
)
def test_a_wrong_shape_comes_with_a_hint(answer, hint):
    assert hint in message(answer, mistakes=())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (3, "Expected a function, got the number 3"),
        (None, "got None"),
        (np.ones(3), "got a NumPy array of shape (3,)"),
        (lambda s: None, "Does your code end with `return"),
        (lambda s: softmax(s).tolist(), "yours is a list of 2 entries"),
        (lambda s: softmax(s) > 0.5, "yours holds booleans"),
        (lambda s: "softmax", "yours is a string"),
    ],
)
def test_a_wrong_kind_of_answer_is_named_in_words(answer, words):
    assert words in message(answer, mistakes=())


def test_a_single_number_that_is_nan_is_not_called_an_entry():
    made = Exercise("00-nan", "NaN", 1, lambda x: x, [Case("one", (1.0,))])
    text = made.diagnose(lambda x: float("nan")).message
    assert "The result is NaN" in text
    assert "entry" not in text


@pytest.mark.parametrize("kind", [np.int64, np.int8, np.uint8])
def test_whole_numbers_that_wrap_around_are_not_near(kind):
    right = np.array([3, 60], kind)
    wrong = right + np.array(2 ** (8 * right.itemsize - 1)).astype(kind)
    made = Exercise("00-whole", "W", 1, lambda x: x, [Case("a", (right,))])
    assert made.diagnose(lambda x: wrong).kind == "value"
    assert made.diagnose(lambda x: right.astype(float)) is None


def test_a_row_of_weights_that_does_not_sum_to_1_is_told_first():
    made = Exercise(
        "00-sums",
        "Sums",
        1,
        lambda x: (softmax(x) @ np.ones(3), softmax(x)),
        [SMALL],
        outputs=("output", "weights"),
    )
    lines = made.diagnose(lambda x: (x.sum(-1), x)).message.splitlines()
    assert "weights[0] sums to 6 over the keys" in lines[1]
    assert "weights[0, 0] should be" in lines[2]
    even = made.diagnose(lambda x: (x.sum(-1), x * 0 + 1 / 3)).message
    assert "sums to" not in even
    assert "weights[0, 0] should be" in even


def test_where_nothing_may_be_attended_to_a_row_should_sum_to_0():
    weights = np.array([[0.5, 0.5], [0.0, 0.0]])
    made = Exercise(
        "00-empty",
        "Empty",
        1,
        lambda x: (x, weights),
        [Case("one", (1.0,))],
        outputs=("output", "weights"),
    )
    text = made.diagnose(lambda x: (x, weights * 0 + 0.5)).message
    assert "weights[1] sums to 1 over the keys" in text
    assert "may attend to nothing and should sum to 0" in text


def test_predictions_are_told_apart_at_once_without_their_numbers():
    right = {"a": 0.125, "b": 2.25, "c": 3.5}
    made = Exercise(
        "00-guess",
        "Guess",
        1,
        lambda question: right[question],
        [Case(f"question {q}", (q,), look="Hint 2.") for q in right],
        [
            Mistake(
                "b: doubled",
                "Twice.",
                lambda q: 4.5 if q == "b" else right[q],
                "b.",
            )
        ],
        reveal=False,
    )

    def told(**guesses):
        text = made.diagnose(lambda q: (right | guesses)[q]).message
        wrong = (right[q] for q in guesses)
        assert not any(str(number) in text for number in wrong)
        return text.splitlines()[1:]

    first, _, named, *_ = told(b=4.5, c=9)
    assert first == "  a is right; b, c are not."
    assert "known mistake: b: doubled" in named
    assert told(a=7)[0] == "  b, c are right; a is not."
    assert told(a=7)[2].endswith("gives this number. Hint 2.")
    assert told(a=7, b=7, c=7)[0] == "  None is right yet: a, b, c."
    assert told(c="x")[1:] == [
        "  Case “question c”: a string is not right, a number is asked for."
    ]
    some = made.diagnose(lambda q: {"a": 0.125}[q]).message
    assert "a is right; b, c are not." in some
    assert "raised KeyError" in some


def test_a_mistake_may_be_made_by_other_code_too():
    made = exercise(
        mistakes=[
            Mistake("off", "Off.", lambda s: s, "x.", also=(lambda s: s + 9,))
        ]
    )
    assert made.diagnose(lambda s: s + 9).mistake == "off"
    assert made.diagnose(lambda s: s + 8).mistake is None
    assert_sound(made)


def test_a_mistake_may_be_known_by_what_it_shows():
    made = exercise(
        mistakes=[
            *MISTAKES,
            Mistake(
                "huge",
                "Huge.",
                lambda s: s + 1e6,
                "x.",
                shows=lambda case, output: output.min() > 100,
            ),
        ]
    )
    assert made.diagnose(lambda s: s + 777).mistake == "huge"
    assert made.diagnose(lambda s: softmax(s, 0) + 0.1).mistake is None
    assert made.diagnose(lambda s: "777").mistake is None
    assert_sound(made)


def test_the_diagnosis_comes_before_the_property_and_looks_again_once():
    made = exercise(
        cases=[Case("zeros", (np.zeros((1, 2)),))],
        mistakes=[
            Mistake("halves", "Halves.", lambda s: s * 0 + 0.5, "there.")
        ],
        properties=[
            Property(
                "A large score takes it all.",
                lambda f: f(BIG.arguments[0]).max() > 0.9,
                "here.",
            )
        ],
    )
    lines = made.diagnose(lambda s: s * 0 + 0.5).message.splitlines()
    assert "known mistake: halves" in lines[1]
    assert [x for x in lines if "Look again" in x] == ["  Look again: there."]
    assert "A large score takes it all." in lines[-1]


def test_an_exception_without_a_name_points_to_the_hint_on_errors():
    text = message(lambda scores: scores.nothing)
    assert "“I see …”" in text
    assert "“I see …”" not in message(lambda scores: scores)


def test_a_stub_is_told_from_an_error():
    def stub(scores):
        raise NotImplementedError

    assert "Not written yet" in message(stub)
    assert exercise().diagnose(stub).kind == "stub"


def test_an_exception_comes_with_its_line_and_the_inputs():
    def broken(scores):
        return scores.nothing

    text = message(broken, mistakes=())
    assert "raised AttributeError" in text
    assert "of `broken`: `return scores.nothing`" in text
    assert "`scores` (2, 3)" in text


def test_a_long_exception_is_cut():
    def broken(scores):
        raise ValueError("long\n" * 1000)

    text = message(broken, mistakes=())
    assert len(text.splitlines()) <= 8
    assert len(text) < 700


def test_an_input_changed_in_place_is_named():
    def greedy(scores):
        scores -= scores.max(-1, keepdims=True)
        return softmax(scores)

    text = message(greedy)
    assert "changed its input `scores` in place" in text


def test_a_mistake_that_only_changes_its_input_is_named():
    def greedy(scores):
        scores -= 1
        return softmax(scores)

    made = exercise(
        mistakes=[
            *MISTAKES,
            Mistake("in place", "You write into it.", greedy, "copies."),
        ]
    )
    assert_sound(made)


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


def test_several_outputs_are_called_by_their_names():
    made = Exercise(
        "00-two",
        "Two",
        1,
        lambda x: (x + 1, softmax(x)),
        [SMALL],
        outputs=("output", "weights"),
    )
    assert "weights[0, 0]" in made.diagnose(lambda x: (x + 1, x)).message
    assert "a tuple (output, weights)" in made.diagnose(lambda x: x).message
    assert made.diagnose(lambda x: [x + 1, softmax(x)]) is None


def test_dicts_strings_and_booleans_are_compared():
    def describe(x):
        return {"name": "x", "many": True, "shape": (2, 3)}

    made = Exercise("00-dict", "Dict", 1, describe, [SMALL])
    assert made.diagnose(describe) is None
    for change, words in (
        ({"name": "y"}, "output['name'] should be 'x', yours is 'y'"),
        ({"many": False}, "output['many']"),
        ({"shape": (2, 4)}, "output['shape'][1] should be 3, yours is 4"),
        ({"more": 1}, "should have the keys"),
    ):
        diagnosis = made.diagnose(lambda x, c=change: describe(x) | c)
        assert words in diagnosis.message


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


def test_no_message_is_longer_than_eight_lines():
    def run(answer, x):
        raise WrongAnswer("line\n" * 20)

    made = Exercise("00-long", "Long", 1, softmax, [SMALL], run=run)
    assert len(made.diagnose(softmax).message.splitlines()) == 8


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


def test_a_notebook_shows_the_message_and_no_traceback():
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    shell.user_ns["check"] = exercise().check
    shell.user_ns["shown"] = shown = []
    shell._showtraceback = lambda kind, value, lines: shown.append(lines)
    shell.run_cell("check(lambda scores: scores)")
    (lines,) = shown
    assert lines[0] == "✗ Softmax"
    assert not any(
        "Traceback" in line or "exercise.py" in line for line in lines
    )


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


@pytest.mark.parametrize(
    "broken",
    [
        {"right_answers": [unshifted]},
        {"mistakes": [Mistake("none", "It is right.", softmax, "x.")]},
        {
            "mistakes": [
                Mistake("twin", "Like the next.", unshifted, "x."),
                Mistake("other twin", "Like the last.", unshifted, "x."),
            ]
        },
    ],
    ids=["a right answer is wrong", "a mistake is right", "twins"],
)
def test_an_unsound_exercise_is_found_out(broken):
    with pytest.raises(AssertionError):
        assert_sound(exercise(**broken))
