"""The table of chapter 02 supports what the chapter says of it."""

import numpy as np
import pytest

from attnbook import data
from attnbook.experiments import table
from attnbook.experiments.score_functions import (
    COMBINATIONS,
    Combination,
    build,
    run,
)

CONTENT = ("dot", "general", "concat")
M = "exact match"


def values(combination, measure):
    return [
        row[measure]
        for row in table("score_functions")
        if Combination(
            row["score"],
            row["window"],
            int(row["half_width"]),
            bool(row["input_feeding"]),
        )
        == combination
    ]


@pytest.mark.parametrize(
    "combination", COMBINATIONS, ids=lambda c: "-".join(map(str, c))
)
def test_every_combination_has_at_least_three_seeds(combination):
    assert len(set(values(combination, "seed"))) >= 3
    for measure in ("exact match", "exact match, longer", "alignment"):
        assert all(0 <= value <= 1 for value in values(combination, measure))


def test_the_table_holds_nothing_but_these_combinations_and_their_sizes():
    task = data.telephone_numbers("de", pairs=(1, 6))
    sizes = len(task.source_vocabulary), len(task.target_vocabulary)
    rows = table("score_functions")
    assert len(rows) == sum(len(values(c, "seed")) for c in COMBINATIONS)
    for combination in COMBINATIONS:
        model = build(combination, *sizes)
        assert set(values(combination, "parameters")) == {
            sum(p.numel() for p in model.parameters())
        }


def test_a_score_that_sees_the_words_beats_one_that_does_not():
    for feeding in (False, True):
        blind = values(Combination("location", "global", 0, feeding), M)
        for score in CONTENT:
            seeing = values(Combination(score, "global", 0, feeding), M)
            assert min(seeing) > max(blind)


def test_input_feeding_costs_time_where_the_score_is_cheap():
    for score in ("dot", "general"):
        without, feeding = (
            np.mean(
                values(Combination(score, "global", 0, each), "milliseconds")
            )
            for each in (False, True)
        )
        assert feeding > 1.2 * without


def test_general_is_ahead_of_dot_in_every_seed():
    for measure in (M, "alignment"):
        dot, general = (
            values(Combination(score, "global", 0, False), measure)
            for score in ("dot", "general")
        )
        assert min(general) > max(dot)


@pytest.mark.parametrize("score", CONTENT)
def test_input_feeding_pays_on_longer_numbers_and_not_within(score):
    without, feeding = (
        Combination(score, "global", 0, each) for each in (False, True)
    )
    longer = "exact match, longer"
    assert min(values(feeding, longer)) > 3 * max(values(without, longer))
    within = np.mean(values(feeding, M)) - np.mean(values(without, M))
    assert abs(within) < 0.02


@pytest.mark.parametrize("score", CONTENT)
def test_a_narrow_fixed_window_costs_and_a_wide_one_does_not(score):
    whole = values(Combination(score, "global", 0, False), M)
    narrow = values(Combination(score, "local-m", 3, False), M)
    assert max(narrow) < min(whole) - 0.05
    if score == "general":
        wide = values(Combination(score, "local-m", 10, False), M)
        assert np.mean(wide) == pytest.approx(np.mean(whole), abs=0.01)


def test_the_study_at_a_reduced_size_still_shows_the_blind_score():
    seeing = Combination("general", "global", 0, False)
    blind = Combination("location", "global", 0, False)
    narrow = Combination("general", "local-m", 1, False)
    rows = run(
        [seeing, blind, narrow],
        seeds=[0],
        steps=170,
        trained_to=4,
        longest=5,
        count=100,
    )
    exact = [row["exact match"] for row in rows]
    alignment = [row["alignment"] for row in rows]
    assert exact[0] > max(exact[1:]) + 0.1
    assert alignment[0] > max(alignment[1:]) + 0.15
    assert [row["score"] for row in rows] == ["general", "location", "general"]
    assert all(row["milliseconds"] > 0 for row in rows)
