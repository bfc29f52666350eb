"""Which known mistake an answer makes."""

import numpy as np
import pytest
from softmax_exercise import (
    BIG,
    MISTAKES,
    exercise,
    message,
    softmax,
    unshifted,
)

from attnbook.judging.exercise import Case, Exercise, Mistake, Property
from attnbook.judging.soundness import assert_sound


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


def test_of_two_that_raise_everywhere_who_uses_the_same_words_is_named():
    def raises(words):
        def answer(x):
            raise RuntimeError(words)

        return answer

    made = Exercise(
        "00-words",
        "Words",
        1,
        lambda x: x,
        [Case("one", (1,)), Case("two", (2,))],
        [
            Mistake("left", "Left.", raises("the left one, size 3"), "here."),
            Mistake("right", "Right.", raises("the right one"), "there."),
        ],
    )
    assert made.diagnose(raises("the left one, size 4")).mistake == "left"
    assert made.diagnose(raises("neither")).mistake is None


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


def numbers(*mistakes):
    """An exercise that asks for its input, with mistakes by what they give."""
    return Exercise(
        "00-numbers",
        "Numbers",
        1,
        lambda x: x,
        [Case(str(x), (x,)) for x in (1, 2, 3, 4)],
        [
            Mistake(name, f"It is {name}.", given.get, "there.")
            for name, given in mistakes
        ],
    )


def test_of_mistakes_that_all_fit_none_is_picked():
    twins = {1: 9, 2: 9, 3: 9, 4: 9}
    diagnosis = numbers(("one", twins), ("other", twins)).diagnose(twins.get)
    assert diagnosis.mistake is None
    assert "Several known mistakes give this: one; other." in diagnosis.message


def test_a_mistake_beside_another_is_named_for_what_it_does_here():
    made = numbers(("nines", {1: 9, 2: 9, 3: 9, 4: 4}))
    diagnosis = made.diagnose({1: 9, 2: 9, 3: 8, 4: 4}.get)
    assert diagnosis.mistake == "nines"
    assert "Here it does what a known mistake does: nines." in (
        diagnosis.message
    )
    assert "This looks like" not in diagnosis.message


def test_what_agrees_by_chance_where_it_fails_first_is_not_named():
    made = numbers(("nines", {1: 9, 2: 9, 3: 9, 4: 9}))
    diagnosis = made.diagnose({1: 9, 2: 8, 3: 7, 4: 6}.get)
    assert diagnosis.mistake is None
    assert "known mistake" not in diagnosis.message


def test_a_mistake_that_fits_in_all_cases_goes_before_a_closer_sounding_one():
    made = numbers(
        ("nines", {1: 9, 2: 9, 3: 9, 4: 4}), ("most", {1: 9, 2: 9, 3: 8, 4: 4})
    )
    diagnosis = made.diagnose({1: 9, 2: 9, 3: 8, 4: 4}.get)
    assert diagnosis.mistake == "most"
    assert "This looks like a known mistake: most." in diagnosis.message
