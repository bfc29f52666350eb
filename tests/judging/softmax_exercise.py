"""An exercise that asks for the softmax of each row of a matrix."""

import numpy as np
import pytest

from attnbook.judging.exercise import Case, Exercise, Mistake, WrongAnswer


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
