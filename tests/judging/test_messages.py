"""What a learner reads of an answer that is wrong."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from softmax_exercise import SMALL, exercise, message, softmax

from attnbook.judging.exercise import Case, Exercise, Mistake, WrongAnswer
from attnbook.judging.troubles import UNWRITTEN


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


def test_a_fraction_and_a_decimal_are_numbers():
    made = Exercise("00-f", "F", 1, lambda x: x, [Case("half", (0.5,))])
    for number in (Fraction(1, 2), Decimal("0.5")):
        assert made.diagnose(lambda x, number=number: number) is None
    assert "should be 0.5" in made.diagnose(lambda x: Fraction(1, 3)).message


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


def test_an_exception_without_a_name_points_to_the_hint_on_errors():
    text = message(lambda scores: scores.nothing)
    assert "“I see …”" in text
    assert "“I see …”" not in message(lambda scores: scores)


def test_a_stub_is_told_from_an_error():
    def stub(scores):
        raise NotImplementedError

    assert "Not written yet" in message(stub)
    assert exercise().diagnose(stub).kind == "stub"


def test_a_written_answer_that_calls_a_stub_says_which():
    def soften(scores):
        raise NotImplementedError(UNWRITTEN)

    def answer(scores):
        return soften(scores)

    text = message(answer)
    assert "`answer` calls `soften`, which is not written yet." in text
    assert "Not written yet" not in text
    assert "Not written yet: it still" in message(soften)


@pytest.mark.parametrize(
    "raised",
    [
        "\"softmax_lastdim_kernel_impl\" not implemented for 'Long'",
        'Module [Net] is missing the required "forward" function',
    ],
)
def test_what_a_library_does_not_implement_is_no_stub(raised):
    def answer(scores):
        raise NotImplementedError(raised)

    text = message(answer)
    assert "Not written yet" not in text
    assert f"raised NotImplementedError: {raised}" in text


def test_a_method_that_is_a_stub_is_named():
    class Doubler:
        def double(self, scores):
            raise NotImplementedError(UNWRITTEN)

    class Right(Doubler):
        def double(self, scores):
            return 2 * scores

    made = Exercise(
        "00-class",
        "Class",
        1,
        Right,
        [SMALL],
        run=lambda kind, scores: kind().double(scores),
    )
    text = made.diagnose(Doubler).message
    assert "Not written yet: its method `double` still raises" in text


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


def test_no_message_is_longer_than_eight_lines():
    def run(answer, x):
        raise WrongAnswer("line\n" * 20)

    made = Exercise("00-long", "Long", 1, softmax, [SMALL], run=run)
    assert len(made.diagnose(softmax).message.splitlines()) == 8


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
