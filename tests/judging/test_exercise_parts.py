"""An exercise whose points are given in parts."""

from functools import partial

import numpy as np
import pytest

from attnbook.judging.exercise import (
    Case,
    Exercise,
    Mistake,
    Part,
    Property,
    WrongAnswer,
    points_so_far,
)
from attnbook.judging.unrepaired import unrepaired

POSITIVE, ZERO = (
    Case("positive", (np.array([1.0, 2.0]),)),
    Case("zeros", (np.array([0.0, 3.0]),)),
)
NEGATIVE = "A negative number stays negative."


def halved(x):
    return x / 2


def exercise(**more):
    parts = [
        Part("values", "positive numbers", 2, tries=("positive",)),
        Part("edges", "zeros and less", 1, tries=("zeros", NEGATIVE)),
    ]
    more = {"parts": parts} | more
    return Exercise(
        "00-halve",
        "Halve",
        3,
        halved,
        [POSITIVE, ZERO],
        properties=[Property(NEGATIVE, lambda f: f(np.array(-2.0)) < 0)],
        **more,
    )


def test_each_part_is_judged_alone(capsys):
    made = exercise()
    only_values = lambda x: np.abs(x) / 2 + (x <= 0)  # noqa: E731
    made.check(only_values, "values")
    assert capsys.readouterr().out == (
        "✓ Halve, part 1: positive numbers: 2 of 2 points\n"
    )
    with pytest.raises(WrongAnswer, match="Halve, part 2: zeros and less"):
        made.check(only_values, "edges")
    assert made.marks == {"00-halve-values": 2, "00-halve-edges": 0}
    assert made.earned == 2


def test_all_parts_are_checked_where_none_is_named(capsys):
    made = exercise()
    made.check(halved)
    assert made.earned == 3
    with pytest.raises(WrongAnswer, match="part 1"):
        made.check(lambda x: np.where(x > 0, x, x / 2))
    assert made.marks == {"00-halve-values": 0, "00-halve-edges": 0}
    with pytest.raises(WrongAnswer, match="part 2"):
        made.check(lambda x: np.abs(x) / 2)
    assert made.marks == {"00-halve-values": 2, "00-halve-edges": 0}
    assert "✓ Halve, part 1" in capsys.readouterr().out


def test_the_scoreboard_shows_each_part(capsys):
    made = exercise()
    made.check(halved, "values")
    capsys.readouterr()
    points_so_far([made])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["Halve", "2", "/", "3"] in rows
    assert ["positive", "numbers", "2", "/", "2", "✓"] in rows
    assert ["zeros", "and", "less", "–", "/", "1", "not", "run", "yet"] in rows
    assert ["Total", "2", "/", "3"] in rows


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([Part("a", "A", 3, tries=("positive",))], "no part tries"),
        ([Part("a", "A", 3, tries=("none",))], "is no case and no property"),
        ([Part("a", "A", 2, mended=1)], "expected parts of 3 points"),
        (
            [Part("a", "A", 1, mended=1), Part("a", "B", 2, mended=2)],
            "need names of their own",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(parts, told):
    with pytest.raises(ValueError, match=told):
        exercise(parts=parts)


def test_a_part_that_is_not_there_is_named():
    with pytest.raises(ValueError, match=r"no part 'x'.*'values', 'edges'"):
        exercise().check(halved, "x")


def test_the_inputs_of_a_case_can_be_had_and_spoilt():
    made = exercise()
    found = made.inputs("positive")
    assert list(found) == ["x"]
    found["x"] += 1
    assert made.inputs("positive")["x"].tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="no case 'other'"):
        made.inputs("other")


# -- a draft with planted bugs -----------------------------------------------

BUGS = {
    "sign": ("the sign", "It is turned.", "The minus."),
    "factor": ("the factor", "It is two.", "The three."),
    "shift": ("the shift", "It is one more.", "The plus."),
}


def draft(x, bugs=BUGS):
    factor = 2 if "factor" in bugs else 3
    sign = -1 if "sign" in bugs else 1
    return sign * factor * x + ("shift" in bugs)


def repair(**more):
    return Exercise(
        "00-repair",
        "Repair",
        3,
        partial(draft, bugs=()),
        [Case("five", (5.0,)), Case("seven", (7.0,))],
        mistakes=unrepaired(BUGS, draft),
        parts=[
            Part("one", "one bug mended", 1, mended=1),
            Part("all", "all bugs fixed", 2, mended=3),
        ],
        fresh=lambda seed: [Case("drawn anew", (float(seed),))],
        **more,
    )


@pytest.mark.parametrize(
    ("bugs", "passed"),
    [
        (("sign", "factor", "shift"), []),
        (("sign", "factor"), ["one"]),
        (("shift",), ["one"]),
        ((), ["one", "all"]),
    ],
)
@pytest.mark.parametrize("seed", [None, 11])
def test_a_repair_earns_points_by_the_bugs_mended(
    bugs, passed, seed, monkeypatch
):
    monkeypatch.setattr(Exercise, "secret_seed", seed)
    made = repair()
    answer = partial(draft, bugs=bugs)
    assert passed == [
        part.name
        for part in made.parts
        if made.diagnose(answer, part.name) is None
    ]


def test_the_message_says_how_many_bugs_are_mended():
    text = repair().diagnose(partial(draft, bugs=("shift",)), "all").message
    assert "2 of 3 bugs are fixed; this part asks for 3." in text
    text = repair().diagnose(lambda x: 9 * x, "one").message
    assert "asks for 1 of 3 bugs fixed, and nothing else broken." in text


def test_half_a_repair_by_heart_earns_nothing_where_cases_are_drawn(
    monkeypatch,
):
    known = {x: draft(x, bugs=("shift",)) for x in (5.0, 7.0)}
    made = repair()
    assert made.diagnose(lambda x: known.get(x, 0.0), "one") is None
    monkeypatch.setattr(Exercise, "secret_seed", 11)
    assert made.diagnose(lambda x: known.get(x, 0.0), "one") is not None


def test_what_is_measured_is_measured_on_sizes_drawn_anew(monkeypatch):
    def keeps_length(answer, size=3):
        return len(answer(np.ones(size))) == size

    made = Exercise(
        "00-halve",
        "Halve",
        3,
        halved,
        [POSITIVE],
        properties=[
            Property(
                NEGATIVE,
                keeps_length,
                anew=lambda seed: partial(keeps_length, size=seed),
            )
        ],
        parts=[Part("all", "all", 3, tries=("positive", NEGATIVE))],
    )

    def knows_the_size(x):
        return x / 2 if len(x) < 4 else x[:0]

    assert made.diagnose(knows_the_size, "all") is None
    monkeypatch.setattr(Exercise, "secret_seed", 11)
    assert made.diagnose(halved, "all") is None
    assert "has to hold" in made.diagnose(knows_the_size, "all").message


# -- cases drawn anew ------------------------------------------------------


def raises_when_large(x):
    if x > 10:
        raise ValueError("too large")
    return 2 * x if x == 7 else x


def wide_when_large(x):
    return 0 if x > 10 else raises_when_large(x)


def asked(mistake):
    """An exercise whose first part is right for who makes the mistake."""
    return Exercise(
        "00-same",
        "Same",
        2,
        lambda x: x,
        [Case("five", (5,)), Case("seven", (7,))],
        mistakes=[Mistake("slip", "It slips.", mistake, "there.")],
        parts=[
            Part("five", "fives", 1, tries=("five",)),
            Part("seven", "sevens", 1, tries=("seven",)),
        ],
        fresh=lambda seed: [Case("drawn anew", (seed,))],
    )


def test_drawn_cases_ask_no_more_of_a_part_than_its_own(monkeypatch):
    monkeypatch.setattr(Exercise, "secret_seed", 11)
    made = asked(wide_when_large)
    assert made.diagnose(wide_when_large, "five") is None
    assert made.diagnose(wide_when_large, "seven") is not None
    assert made.diagnose(lambda x: {5: 5}.get(x, 1), "five") is not None


def test_what_raises_on_drawn_cases_is_no_known_mistake(monkeypatch):
    """An answer by heart could raise whatever a mistake raises."""
    monkeypatch.setattr(Exercise, "secret_seed", 11)
    made = asked(raises_when_large)

    def by_heart(x):
        if x != 5:
            raise ValueError("too large")
        return 5

    assert made.diagnose(by_heart, "five") is not None
