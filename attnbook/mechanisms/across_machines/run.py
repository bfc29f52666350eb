"""The program that each rank runs, started by `torchrun`.

    python -m torch.distributed.run --standalone --nproc-per-node 4 \\
        -m attnbook.mechanisms.across_machines.run trials

compares the ways to split a model with one rank. `train FOLDER` trains, with
checkpoints in a folder from which the same command goes on. `measure` takes
the time of messages, sums and attention. Where each process has a GPU it uses
NCCL, else Gloo. On several machines the same program is started on each:
`python -m attnbook.mechanisms.across_machines.manifests` writes the files.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from attnbook.mechanisms.across_machines.group import Group, RankLost
from attnbook.mechanisms.across_machines.measures import (
    measure_exchange,
    measure_flops,
    measure_operations,
    measure_work,
)
from attnbook.mechanisms.across_machines.processes import started
from attnbook.mechanisms.across_machines.training import losses_in, train
from attnbook.mechanisms.across_machines.trials import TRIALS, compare


def main(arguments: list[str] | None = None) -> None:
    """Read the command line, join the others, do it; rank 0 reports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", choices=("gloo", "nccl"))
    parser.add_argument("--patience", type=float, default=60)
    parser.add_argument("--out", type=Path, help="rank 0 writes JSON here")
    does = parser.add_subparsers(dest="does", required=True)
    trials = does.add_parser("trials")
    trials.add_argument("schemes", nargs="*", metavar="SCHEME")
    training = does.add_parser("train")
    training.add_argument("folder", type=Path)
    training.add_argument("--steps", type=int, default=60)
    training.add_argument("--every", type=int, default=10)
    training.add_argument(
        "--kill", type=int, nargs=2, metavar=("STEP", "RANK")
    )
    does.add_parser("measure")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with started(chosen.backend, chosen.patience) as group:
        try:
            report = _DO[chosen.does](group, chosen)
        except RankLost as lost:
            # One line instead of a stack for each rank that waited.
            print(f"RankLost: {lost}", file=sys.stderr, flush=True)
            raise SystemExit(1) from None
    if group.rank == 0:
        text = json.dumps(report, indent=1)
        if chosen.out:
            chosen.out.write_text(text + "\n", "utf-8")
        else:
            print(text, flush=True)


def _trials(group: Group, chosen: argparse.Namespace) -> list[dict]:
    return [
        asdict(compare(group, scheme)) for scheme in chosen.schemes or TRIALS
    ]


def _train(group: Group, chosen: argparse.Namespace) -> dict:
    kill = tuple(chosen.kill) if chosen.kill else None
    done = train(group, chosen.folder, chosen.steps, chosen.every, kill=kill)
    if group.rank:
        return {}
    losses = losses_in(chosen.folder)
    return {"trained": len(done), "steps": len(losses), "loss": losses[-1]}


def _measure(group: Group, chosen: argparse.Namespace) -> dict:
    return {
        "messages": measure_exchange(group),
        "operations": measure_operations(group),
        "work": measure_work(group),
        "flops": measure_flops(group),
    }


_DO = {"trials": _trials, "train": _train, "measure": _measure}

if __name__ == "__main__":
    main()
