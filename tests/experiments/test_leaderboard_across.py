"""The leaderboard in pieces, on several ranks, and interrupted."""

import csv
import os
import subprocess
import sys

import pytest

from attnbook.experiments.leaderboard import MODELS, TABLES, run
from attnbook.experiments.leaderboard_across import (
    gathered,
    main,
    pieces,
    train_pieces,
)


def rows_of(piece):
    model, seed = piece
    return {name: [{"model": model, "seed": seed}] for name in TABLES}


def test_each_piece_is_trained_once_by_one_rank(tmp_path):
    all_ = pieces(MODELS, range(5))
    done = [
        train_pieces(tmp_path, all_, rank, 3, rows_of) for rank in range(3)
    ]
    assert sorted(piece for of_rank in done for piece in of_rank) == sorted(
        all_
    )
    tables = gathered(tmp_path, all_, patience=0)
    assert list(tables) == list(TABLES)
    assert [(r["model"], r["seed"]) for r in tables["leaderboard"]] == all_


def test_what_is_there_is_not_trained_again_on_other_ranks(tmp_path):
    all_ = pieces(MODELS, range(3))

    def failing(piece):
        if piece == all_[4]:
            raise KeyboardInterrupt
        return rows_of(piece)

    with pytest.raises(KeyboardInterrupt):
        train_pieces(tmp_path, all_, 0, 2, failing)  # the even ones to 4
    with pytest.raises(TimeoutError, match=r"10 of 12 pieces .*seed 1"):
        gathered(tmp_path, all_, patience=0)
    rest = train_pieces(tmp_path, all_, 0, 1, rows_of)
    assert rest == [p for p in all_ if p not in (all_[0], all_[2])]
    gathered(tmp_path, all_, patience=0)


@pytest.mark.slow
def test_two_ranks_write_what_one_run_would(tmp_path):
    options = [
        *(str(tmp_path / "pieces"), "--out", str(tmp_path), "--steps", "2"),
        *("--models", "Luong, general", "--seeds", "0", "1"),
    ]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
            *("--nproc-per-node", "2", "-m"),
            *("attnbook.experiments.leaderboard_across", *options),
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "rank 1 of 2 has trained [('Luong, general', 1)]" in done.stdout
    expected = run(["Luong, general"], [0, 1], 2, progress=False)
    for name in ("leaderboard", "accuracy_by_length"):
        with (tmp_path / f"{name}.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert rows == [
            {key: str(value) for key, value in row.items()}
            for row in expected[name]
        ]
    main(options)  # nothing is left to train
