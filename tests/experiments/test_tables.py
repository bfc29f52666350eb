"""The committed tables support what chapter 01 claims of them."""

import numpy as np
import pytest

from attnbook.experiments import table, write_table
from attnbook.experiments.leaderboard import LENGTHS, MODELS, run


def accuracy(name, model, length):
    return [
        row["exact match"]
        for row in table(name)
        if row["model"] == model and row["length"] == length
    ]


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_at_least_three_seeds_at_every_length(model):
    for length in LENGTHS:
        assert len(accuracy("accuracy_by_length", model, length)) >= 3


def test_the_leaderboard_agrees_with_the_curves_it_sums_up():
    for row in table("leaderboard"):
        for measure, lengths in {
            "exact match": range(1, 9),
            "exact match, longer": range(9, 13),
        }.items():
            expected = [
                line["exact match"]
                for line in table("accuracy_by_length")
                if line["model"] == row["model"]
                and line["seed"] == row["seed"]
                and line["length"] in lengths
            ]
            assert row[measure] == pytest.approx(np.mean(expected), abs=1e-4)


def test_the_study_at_a_reduced_size_still_shows_the_gap():
    board, curve = run(
        MODELS,
        seeds=[0],
        steps=260,
        trained_to=4,
        lengths=[2, 4, 5],
        count=100,
        progress=False,
    )
    at_four = {
        row["model"]: row["exact match"] for row in curve if row["length"] == 4
    }
    assert at_four["additive attention"] > at_four["fixed vector"] + 0.2
    assert [row["model"] for row in board] == list(MODELS)
    assert board[0]["alignment"] == ""
    assert board[1]["alignment"] > 0.3


def test_a_table_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(FileNotFoundError, match=r"there are: .*leaderboard"):
        table("no-such-table")


def test_an_empty_table_is_refused_and_a_table_reads_back(tmp_path):
    with pytest.raises(ValueError, match="at least one"):
        write_table(tmp_path / "t.csv", [])
    write_table(tmp_path / "t.csv", [{"model": "a", "n": 1.5}])
    assert (tmp_path / "t.csv").read_text() == "model,n\na,1.5\n"
    assert list(tmp_path.iterdir()) == [tmp_path / "t.csv"]
