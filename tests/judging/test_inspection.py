"""What is seen of an answer in the process where it runs."""

import json
import math
import mmap
import sys

import numpy as np
import pytest
import torch

from attnbook.checks.soft_lookup import softmax_vjp
from attnbook.judging import inspection


def loops(rows):
    return [row for row in rows]


def calls_itself(n):
    return n and calls_itself(n - 1)


class Loops:
    def method(self, n):
        while n:
            n -= 1


class DoesNot:
    rows = tuple(range(3))

    def method(self):
        return self.rows


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (loops, True),
        (calls_itself, False),
        (lambda rows: (lambda: [x for x in rows])(), True),
        (Loops, True),
        (DoesNot, False),
        (len, False),
        (3, False),
    ],
)
def test_a_loop_is_found_wherever_it_stands(answer, expected):
    assert inspection.has_loop(answer) is expected


def test_code_that_is_none_is_no_loop():
    class Odd:
        __code__ = 3

        def __call__(self):
            return 1

    assert inspection.has_loop(Odd()) is False


def test_the_last_line_of_the_learner_s_own_code_is_told():
    def broken():
        return math.factorial(-1)

    with pytest.raises(ValueError) as caught:
        broken()
    line = broken.__code__.co_firstlineno + 1
    assert inspection.place(caught.value) == (
        f"line {line} of `broken`: `return math.factorial(-1)`"
    )
    cut = inspection.place(caught.value, longest_name=3, longest_line=6)
    assert cut == f"line {line} of `bro`: `return`"


def test_an_error_of_no_code_has_no_place():
    assert inspection.place(ValueError()) == ""
    with pytest.raises(ValueError) as caught:
        json.loads("{")
    error = caught.value.with_traceback(caught.value.__traceback__.tb_next)
    assert inspection.place(error) == ""  # its frames are Python's own


def test_a_dotted_name_is_found_and_what_is_on_the_way_imported():
    assert inspection.resolved("math.pi") == (math, "pi")
    owner, name = inspection.resolved("xml.dom.minidom.parseString")
    assert (owner, name) == (sys.modules["xml.dom.minidom"], "parseString")
    owner, name = inspection.resolved("collections.OrderedDict.items")
    assert (owner.__name__, name) == ("OrderedDict", "items")


# -- what a call takes -------------------------------------------------------

ROW = np.ones(600)
MATRIX = 600 * 600 * 8  # bytes


def _by_torch():
    w = torch.from_numpy(ROW)
    return (torch.diag_embed(w) - w[:, None] * w).sum().item()


def _inside_of_torch():
    w = torch.from_numpy(ROW)
    return torch.nn.functional.softmax(w.expand(600, 600), -1)[0].numpy()


def _mapped():
    place = mmap.mmap(-1, MATRIX)
    matrix = np.frombuffer(place).reshape(600, 600)
    matrix[:] = ROW[:, None] * ROW[0]
    return matrix.sum(0)


def _in_a_file(place):
    matrix = np.memmap(place / "matrix", float, "w+", shape=(600, 600))
    matrix[:] = ROW
    return np.array(matrix.sum(0))


@pytest.mark.parametrize("way", [_by_torch, _inside_of_torch, _mapped])
def test_memory_is_seen_whoever_takes_it(way):
    with inspection.PeakMemory() as peak:
        way()
    assert MATRIX <= peak.amount < 4 * MATRIX


def test_memory_of_a_file_is_seen(tmp_path):
    with inspection.PeakMemory() as peak:
        _in_a_file(tmp_path)
    assert peak.amount >= MATRIX


def test_memory_that_was_there_before_is_not_counted():
    kept = torch.ones(600, 600), mmap.mmap(-1, MATRIX)
    with inspection.PeakMemory() as peak:
        torch.from_numpy(ROW).softmax(-1)
    assert peak.amount < MATRIX / 10
    assert kept


def _one_after_another():
    for _ in range(20):
        torch.ones(100, 100)


def _side_by_side():
    return [torch.ones(100, 100) for _ in range(20)]


def _in_numpy():
    return np.zeros((2, 100_000))


def _as_a_list():
    return [[row + column for column in range(450)] for row in range(450)]


def _as_a_view():
    return torch.ones(1).expand(1000, 1000)


LONG = torch.ones(10**6)


def _by_slices():
    return [LONG[begin : begin + 100] for begin in range(0, 1000, 100)]


@pytest.mark.parametrize(
    ("way", "least", "most"),
    [
        (_one_after_another, 10_000, 30_000),
        (_side_by_side, 200_000, 210_000),
        (_in_numpy, 200_000, 210_000),
        (_as_a_list, 200_000, 1_500_000),
        (_as_a_view, 0, 5_000),
        (_by_slices, 100, 5_000),
    ],
)
def test_numbers_count_as_long_as_they_are_held(way, least, most):
    with inspection.NumbersHeld() as seen:
        way()
    assert least <= seen.amount <= most


@pytest.mark.parametrize("way", [_by_torch, _mapped])
def test_the_matrix_of_a_softmax_is_found_outside_of_numpy(way):
    def answer(weights, upstream, temperature=1.0):
        way()
        return softmax_vjp.EXERCISE.reference(weights, upstream, temperature)

    exercise = softmax_vjp.EXERCISE
    assert exercise.diagnose(exercise.reference) is None
    assert "Memory" in str(exercise.diagnose(answer))
