"""Cases drawn anew: how they are drawn, and what is told of them."""

import numpy as np
import pytest

from attnbook.judging.exercise import Case, Exercise, Mistake, WrongAnswer
from attnbook.judging.fresh_cases import anew, lengths

SEEDS = (3, 2**127 + 5)


# -- what a student reads ----------------------------------------------------


def double(numbers):
    return 2 * numbers


def doubled(**more):
    def make(name, size, seed):
        return Case(name, (np.random.default_rng(seed).normal(size=size),))

    mistake = Mistake(
        "squared instead of doubled",
        "You multiply each number by itself.",
        lambda numbers: numbers * numbers,
        "the definition of double.",
    )
    more = {"fresh": anew(make, size=(1, 4)), "mistakes": [mistake]} | more
    return Exercise(
        "00-double", "Double", 5, double, [Case("two", (np.array([2.0]),))],
        **more,
    )  # fmt: skip


def otherwise(what):
    """Right on the one case of the notebook, something else on others."""

    def answer(numbers):
        if len(numbers) == 1 and numbers[0] == 2:
            return double(numbers)
        return what(numbers)

    return answer


def test_who_has_no_seed_is_shown_the_cases_of_the_notebook_alone(capsys):
    doubled().check(otherwise(lambda numbers: numbers * 0))
    assert capsys.readouterr().out == "✓ Double: 5 of 5 points\n"


def leaks(numbers):
    raise ValueError(f"the secret is {numbers}")


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        (lambda numbers: numbers * 3, "value"),
        (lambda numbers: numbers[None], "shape"),
        (lambda numbers: numbers + np.nan, "nan"),
        (str, "type"),
        (leaks, "exception"),
        (
            lambda numbers: np.multiply(numbers, 2, out=numbers),
            "input changed",
        ),
    ],
)
def test_the_message_quotes_nothing_of_a_case_that_was_drawn(
    what, kind, monkeypatch
):
    messages = set()
    for seed in SEEDS:
        monkeypatch.setattr(Exercise, "secret_seed", seed)
        diagnosis = doubled().diagnose(otherwise(what))
        assert diagnosis.kind == kind
        assert diagnosis.mistake is None
        messages.add(diagnosis.message)
    [message] = messages
    title, *lines = message.splitlines()
    assert title == "✗ Double"
    assert "Right on the cases of the notebook, wrong on others:" in lines[0]
    assert not any(sign.isdigit() for sign in message)
    assert "secret" not in message


def test_a_known_mistake_is_named_on_a_case_that_was_drawn(monkeypatch):
    monkeypatch.setattr(Exercise, "secret_seed", 1)
    exercise = doubled()
    with pytest.raises(WrongAnswer) as caught:
        exercise.check(otherwise(lambda numbers: numbers * numbers))
    assert exercise.earned == 0
    lines = str(caught.value).splitlines()
    assert len(lines) <= 8
    assert lines[-3:] == [
        "  On those it looks like a known mistake: squared instead of "
        "doubled.",
        "  You multiply each number by itself.",
        "  Look again: the definition of double.",
    ]


def test_what_is_forbidden_is_forbidden_there_too(monkeypatch):
    monkeypatch.setattr(Exercise, "secret_seed", 1)
    exercise = doubled(forbidden=["numpy.square"])
    diagnosis = exercise.diagnose(otherwise(lambda n: np.square(n) / n * 2))
    assert diagnosis.kind == "forbidden"
    assert "calls what is taken away" in diagnosis.message


# -- how they are drawn ------------------------------------------------------


def test_sizes_are_drawn_by_name_and_in_their_ranges():
    drawn = []

    def make(name, **sizes):
        drawn.append(sizes)
        return Case(name, ())

    fresh = anew(
        make,
        times=40,
        S=(2, 5),
        lengths="S",
        scale=(0.5, 2.0),
        kind=["a", "b"],
        twice=lambda random, before: 2 * before["S"],
        fixed=None,
    )
    assert len(list(fresh(7))) == 40
    assert {sizes["S"] for sizes in drawn} == {2, 3, 4, 5}
    assert {sizes["kind"] for sizes in drawn} == {"a", "b"}
    assert len({sizes["seed"] for sizes in drawn}) == 40
    for sizes in drawn:
        assert 0.5 <= sizes["scale"] <= 2.0
        assert 0 < max(sizes["lengths"]) <= sizes["S"]
        assert sizes["twice"] == 2 * sizes["S"]
        assert sizes["fixed"] is None


def test_some_sentences_are_empty_but_never_all():
    random = np.random.default_rng(0)
    drawn = [lengths(random, 3) for _ in range(200)]
    assert any(0 in found for found in drawn)
    assert all(max(found) > 0 for found in drawn)
    assert {len(found) for found in drawn} == {2, 3, 4}


def test_a_tie_that_rounding_could_turn_is_left_out(monkeypatch):
    """Of two scores that differ in the eighth digit either may be best."""
    monkeypatch.setattr(Exercise, "secret_seed", 1)
    apart = Case("apart", (np.array([1.0, 2.0]),))
    near = Case("near", (np.array([1.0, 1.0 + 1e-8]),))
    exercise = Exercise(
        "00-best", "The best", 1, lambda s: int(s.argmax()), [apart],
        fresh=lambda seed: [near, apart],
    )  # fmt: skip
    assert exercise.fresh_cases() == (apart,)


def test_the_cases_of_a_seed_are_drawn_and_answered_once(monkeypatch):
    monkeypatch.setattr(Exercise, "secret_seed", 1)
    calls = []

    def reference(numbers):
        calls.append(numbers)
        return double(numbers)

    exercise = doubled()
    exercise.reference = reference
    exercise.diagnose(double)
    calls.clear()
    exercise.diagnose(double)
    assert calls == []


# -- who remembers ---------------------------------------------------------


def says_whether_it_is_even(ask):
    return ask() % 2 == 0


def learns_the_order():
    """Takes what it is shown for the cases of the notebook, and remembers."""
    known, calls = {}, []

    def answer(ask):
        calls.append(ask())
        if len(calls) <= 3:
            known.setdefault(calls[-1], len(calls) == 2)
        return known.get(calls[-1], False)

    return answer


def test_who_learns_the_order_of_the_notebook_learns_the_wrong_one(
    monkeypatch,
):
    cases = [Case(f"{n}", (lambda n=n: n,)) for n in (1, 2, 3)]
    exercise = Exercise(
        "00-even", "Even", 5, says_whether_it_is_even, cases, [],
        fresh=lambda seed: [cases[place] for place in (1, 0, 2)],
    )  # fmt: skip
    assert exercise.diagnose(learns_the_order()) is None
    monkeypatch.setattr(Exercise, "secret_seed", 1)
    assert exercise.diagnose(says_whether_it_is_even) is None
    assert exercise.diagnose(learns_the_order()) is not None
