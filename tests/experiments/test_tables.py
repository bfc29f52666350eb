"""The leaderboard and its tables support what the chapters say of them."""

import numpy as np
import pytest

from attnbook.experiments import FOLDER, table, write_table
from attnbook.experiments.leaderboard import (
    LENGTHS,
    MODELS,
    merged,
    run,
    timed,
)


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
            "exact match": range(2, 9),
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
    tables = run(
        MODELS,
        seeds=[0],
        steps=160,
        trained_to=4,
        lengths=[2, 4, 5],
        count=100,
        progress=False,
    )
    board, curve = tables["leaderboard"], tables["accuracy_by_length"]
    at_four = {
        row["model"]: row["exact match"] for row in curve if row["length"] == 4
    }
    for model in set(MODELS) - {"fixed vector"}:
        assert at_four[model] > at_four["fixed vector"] + 0.2
    assert [row["model"] for row in board] == list(MODELS)
    assert board[0]["alignment"] == ""
    assert all(row["alignment"] > 0.15 for row in board[1:])
    heads = tables["cross_attention"]
    assert [(row["layer"], row["head"]) for row in heads] == [
        (layer, head) for layer in (1, 2) for head in (1, 2, 3, 4)
    ]


def test_luong_s_model_is_faster_and_bahdanau_s_reads_better():
    rows = table("leaderboard")

    def values(model, measure):
        return [row[measure] for row in rows if row["model"] == model]

    additive, luong = "additive attention", "Luong, general"
    assert max(values(luong, "seconds")) < 0.6 * min(
        values(additive, "seconds")
    )
    for measure in ("exact match", "exact match, longer"):
        assert min(values(additive, measure)) > max(values(luong, measure))
    assert min(accuracy("accuracy_by_length", additive, 8)) > max(
        accuracy("accuracy_by_length", luong, 8)
    )


def test_the_seconds_of_all_models_come_from_one_run():
    board = [
        {**row, "seconds": 0.0, "seed": int(row["seed"])}
        for row in table("leaderboard")
        if row["model"] in {"fixed vector", "Luong, general"}
    ]
    again = timed(board, steps=1000, rounds=2)
    assert all(row["seconds"] > 1 for row in again)
    assert [list(row) for row in again] == [list(row) for row in board]
    assert [row["exact match"] for row in again] == [
        row["exact match"] for row in board
    ]


def test_the_transformer_is_behind_the_recurrent_models_at_equal_steps():
    rows = table("leaderboard")
    matches = {
        model: [r["exact match"] for r in rows if r["model"] == model]
        for model in MODELS
    }
    assert max(matches["Transformer"]) < min(matches["additive attention"])
    assert max(matches["Transformer"]) < min(matches["Luong, general"])
    assert min(matches["Transformer"]) > max(matches["fixed vector"])


def test_the_last_block_s_best_head_is_closer_to_the_truth_than_their_mean():
    rows = table("cross_attention")
    seeds = {row["seed"] for row in rows}
    assert len(seeds) >= 3
    for seed in seeds:
        scores = {
            layer: [
                row["alignment"]
                for row in rows
                if (row["seed"], row["layer"]) == (seed, layer)
            ]
            for layer in (1, 2)
        }
        assert max(scores[2]) > max(scores[1])
        assert max(scores[2]) > np.mean(scores[2])


def test_new_rows_replace_those_of_their_model_and_keep_the_others():
    old = table("leaderboard")
    new = [
        {**row, "seconds": 1.0} for row in old if row["model"] == "Transformer"
    ]
    after = merged("leaderboard", new)
    assert [row["model"] for row in after] == [row["model"] for row in old]
    for one, other in zip(old, after, strict=True):
        changed = one["model"] == "Transformer"
        assert (other["seconds"] == 1.0) == changed
        assert one["exact match"] == other["exact match"]


def test_rows_that_stay_are_written_as_they_were(tmp_path):
    first = [r for r in table("leaderboard") if r["model"] == "Transformer"]
    whole = {"seed", "parameters"}
    first = [
        {k: int(v) if k in whole else v for k, v in row.items()}
        for row in first
    ]
    write_table(tmp_path / "t.csv", merged("leaderboard", first))
    committed = FOLDER / "leaderboard.csv"
    assert (tmp_path / "t.csv").read_text() == committed.read_text()


def test_a_table_that_does_not_exist_is_refused_with_those_that_do():
    with pytest.raises(FileNotFoundError, match=r"there are: .*leaderboard"):
        table("no-such-table")


def test_an_empty_table_is_refused_and_a_table_reads_back(tmp_path):
    with pytest.raises(ValueError, match="at least one"):
        write_table(tmp_path / "t.csv", [])
    write_table(tmp_path / "t.csv", [{"model": "a", "n": 1.5}])
    assert (tmp_path / "t.csv").read_text() == "model,n\na,1.5\n"
    assert list(tmp_path.iterdir()) == [tmp_path / "t.csv"]
