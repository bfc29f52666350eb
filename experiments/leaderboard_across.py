"""The leaderboard over seeds, on any number of ranks, in pieces.

    python -m torch.distributed.run --standalone --nproc-per-node 2 \\
        -m attnbook.experiments.leaderboard_across FOLDER --seeds 0 1 2

trains what `leaderboard` trains. Each pair of a model and a seed is a piece of
its own, which one rank trains and writes into the folder: no rank needs
another. What is in the folder already is not trained again, so the same
command goes on after an interruption, also on another number of ranks or of
machines that share the folder. When all pieces are there, rank 0 writes the
tables into `--out`. Without `torchrun` it runs as one rank.

The seconds of a training are left out: they are compared only within one run
on one machine, which `leaderboard` makes.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from attnbook.experiments import FOLDER, leaderboard, write_table
from attnbook.experiments.command import SEEDS

Piece = tuple[str, int]  # a model and a seed


def pieces(models: Iterable[str], seeds: Iterable[int]) -> list[Piece]:
    """All that is to be trained, in the order of the tables."""
    seeds = list(seeds)
    return [(model, seed) for model in models for seed in seeds]


def train_pieces(
    folder: Path,
    all_: list[Piece],
    rank: int,
    ranks: int,
    train: Callable[[Piece], dict[str, list[dict]]],
) -> list[Piece]:
    """Train this rank's share of what is not in the folder yet.

    Args:
        folder: for a file of each piece; seen by all ranks.
        all_: the pieces of all ranks.
        rank: r, which has every R-th piece from the r-th on.
        ranks: R.
        train: returns the rows of each table for one piece.

    Returns:
        The pieces that this call has trained.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = []
    for piece in all_[rank::ranks]:
        path = _path(folder, piece)
        if not path.exists():
            draft = path.with_suffix(f".draft-{rank}")
            draft.write_text(json.dumps(train(piece)), "utf-8")
            draft.replace(path)  # whole or not at all
            done.append(piece)
    return done


def gathered(
    folder: Path, all_: list[Piece], patience: float, pause: float = 2
) -> dict[str, list[dict]]:
    """The tables, when all pieces are in the folder.

    Args:
        folder: of the pieces.
        all_: the pieces.
        patience: seconds to wait for those of other ranks.
        pause: seconds between two looks.

    Raises:
        TimeoutError: if pieces are missing after that, naming them.
    """
    until = time.monotonic() + patience
    while missing := [p for p in all_ if not _path(folder, p).exists()]:
        if time.monotonic() > until:
            names = ", ".join(f"{m}, seed {s}" for m, s in missing)
            raise TimeoutError(
                f"{len(missing)} of {len(all_)} pieces are not in {folder}: "
                f"{names}. Start the same command again to train them"
            )
        time.sleep(pause)
    tables: dict[str, list[dict]] = {name: [] for name in leaderboard.TABLES}
    for piece in all_:
        found = json.loads(_path(folder, piece).read_text("utf-8"))
        for name in leaderboard.TABLES:
            tables[name] += found[name]
    return tables


def _path(folder: Path, piece: Piece) -> Path:
    model, seed = piece
    name = model.replace(" ", "-").replace(",", "")
    return folder / f"{name}-{seed}.json"


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, train, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--models", nargs="+", default=list(leaderboard.MODELS)
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--steps", type=int, default=leaderboard.STEPS)
    parser.add_argument("--patience", type=float, default=3600)
    parser.add_argument("--out", type=Path, default=FOLDER)
    chosen = parser.parse_args(arguments)
    rank = int(os.environ.get("RANK", 0))
    ranks = int(os.environ.get("WORLD_SIZE", 1))
    all_ = pieces(chosen.models, chosen.seeds)

    def train(piece: Piece) -> dict[str, list[dict]]:
        model, seed = piece
        return leaderboard.run([model], [seed], chosen.steps, progress=False)

    done = train_pieces(chosen.folder, all_, rank, ranks, train)
    print(f"rank {rank} of {ranks} has trained {done}", flush=True)
    if rank == 0:
        tables = gathered(chosen.folder, all_, chosen.patience)
        for name, rows in tables.items():
            if rows:
                write_table(chosen.out / f"{name}.csv", rows)


if __name__ == "__main__":
    main()
