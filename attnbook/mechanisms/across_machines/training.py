"""A small training on many ranks that can be interrupted and goes on.

Data parallel, with the optimiser's state split (`sharded`). The batch of a
step depends on seed and step alone, and each rank takes its part of it. So
the losses are the same on any number of ranks, and the same after a restart.
"""

from __future__ import annotations

import csv
import os
import signal
import threading
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from attnbook.mechanisms.across_machines.collectives import all_gather
from attnbook.mechanisms.across_machines.data_parallel import (
    backward_of_token_mean,
    require_same,
)
from attnbook.mechanisms.across_machines.group import Group
from attnbook.mechanisms.across_machines.sharded import ShardedOptimiser
from attnbook.mechanisms.decoder_only import DecoderOnly

VOCABULARY, LONGEST = 16, 8  # digits, and how many are to be repeated
BATCH = 16
LATEST = "latest.txt"
_DRAWING = threading.Lock()


def batch_of(step: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Digits and the same digits again, of unequal lengths.

    Returns:
        ids (B, 2L + 1), and which next tokens count, (B, 2L): those of the
        repetition.
    """
    generator = torch.Generator().manual_seed(1_000_003 * seed + step)
    lengths = torch.randint(1, LONGEST + 1, (BATCH, 1), generator=generator)
    digits = torch.randint(
        1, VOCABULARY, (BATCH, LONGEST), generator=generator
    )
    place = torch.arange(2 * LONGEST + 1).expand(BATCH, -1)
    # d₁ … d_L 0 d₁ … d_L 0 0 0
    again = (place - lengths - 1).clamp(0, LONGEST - 1)
    first = digits.gather(1, place.clamp(max=LONGEST - 1))
    ids = torch.where(place < lengths, first, digits.gather(1, again))
    ids = ids.masked_fill((place == lengths) | (place > 2 * lengths), 0)
    counts = (place >= lengths) & (place < 2 * lengths)
    return ids, counts[:, :-1]


def train(
    group: Group,
    folder: Path,
    steps: int,
    every: int = 10,
    rate: float = 3e-3,
    seed: int = 0,
    kill: tuple[int, int] | None = None,
) -> list[float]:
    """Train from the last checkpoint in a folder, or from the start.

    Each rank keeps its own share of the optimiser's state and rank 0 the
    losses. A checkpoint counts once all ranks have written theirs.

    Args:
        group: the ranks; R divides 16, the size of a batch.
        folder: for checkpoints and `losses.csv`; seen by all ranks.
        steps: to train in all.
        every: how many steps lie between checkpoints.
        rate: of Adam.
        seed: of weights and batches.
        kill: a step and a rank: that rank ends itself before that step, as
            if its machine had failed. Not after a restart by `torchrun`.

    Returns:
        The losses of the steps that this call has trained.

    Raises:
        ValueError: if R does not divide the batch, or the checkpoint was
            written by another number of ranks.
        RankLost: if another rank ends.
    """
    if BATCH % group.size:
        raise ValueError(
            f"a batch of {BATCH} cannot be split over {group.size} ranks; "
            "expected a number of ranks that divides it"
        )
    device = getattr(group, "device", torch.device("cpu"))
    # Simulated ranks share one generator of random numbers.
    with _DRAWING, torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = DecoderOnly(VOCABULARY, 32, 4, 2, 2 * LONGEST).to(device)
    begin = restore(group, folder, model)
    require_same(group, model.parameters())
    make = partial(torch.optim.Adam, lr=rate)
    optimiser = ShardedOptimiser(group, model.parameters(), make, most=1.0)
    _restore_state(group, folder, begin, optimiser)
    losses = []
    for step in range(begin, steps):
        if kill == (step, group.rank) and not _restarted():
            os.kill(os.getpid(), signal.SIGKILL)
        ids, counts = (
            x.chunk(group.size)[group.rank].to(device)
            for x in batch_of(step, seed)
        )
        logits, _ = model(ids[:, :-1])  # (B / R, 2L, V)
        loss_sum = F.cross_entropy(
            logits[counts], ids[:, 1:][counts], reduction="sum"
        )
        optimiser.zero_grad()
        loss = backward_of_token_mean(group, loss_sum, counts.sum())
        optimiser.step()
        losses.append(float(loss))
        if group.rank == 0:
            _note(folder, step, losses[-1])
        if (step + 1) % every == 0:
            save(group, folder, step + 1, model, optimiser)
    return losses


def save(group, folder: Path, step: int, model, optimiser) -> None:
    """Write a checkpoint; it counts once every rank has written its part."""
    path = _part(group, folder, step)
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {
        "model": model.state_dict() if group.rank == 0 else {},
        "optimiser": optimiser.optimiser.state_dict(),
    }
    draft = path.with_suffix(".draft")
    torch.save(state, draft)
    draft.replace(path)
    # Nobody gets here before all have written.
    all_gather(group, torch.zeros(1, device=optimiser.share.device))
    if group.rank == 0:
        draft = folder / (LATEST + ".draft")
        draft.write_text(f"{step} {group.size}\n", "utf-8")
        draft.replace(folder / LATEST)


def restore(group: Group, folder: Path, model: DecoderOnly) -> int:
    """Load the weights of the last checkpoint; return its step, or 0."""
    latest = folder / LATEST
    step, ranks = 0, group.size
    if latest.exists():
        step, ranks = map(int, latest.read_text("utf-8").split())
    if ranks != group.size:
        raise ValueError(
            f"the checkpoint in {folder} was written by {ranks} ranks; "
            f"there are {group.size}. Start {ranks}, or another folder"
        )
    if group.rank == 0:
        folder.mkdir(parents=True, exist_ok=True)
        _forget_losses(folder, step)
    if step:
        path = _part(group, folder, step, rank=0)
        state = torch.load(path, map_location="cpu", weights_only=True)
        model.load_state_dict(state["model"])
    return step


def losses_in(folder: Path) -> list[float]:
    """The losses of all steps so far, of all runs in this folder."""
    with (folder / "losses.csv").open(encoding="utf-8") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def _restore_state(group, folder, step, optimiser) -> None:
    if step:
        path = _part(group, folder, step)
        state = torch.load(path, map_location="cpu", weights_only=True)
        optimiser.optimiser.load_state_dict(state["optimiser"])


def _part(group, folder: Path, step: int, rank: int | None = None) -> Path:
    rank = group.rank if rank is None else rank
    return folder / f"step-{step}" / f"rank-{rank}-of-{group.size}.pt"


def _restarted() -> bool:
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"


def _note(folder: Path, step: int, loss: float) -> None:
    path = folder / "losses.csv"
    is_new = not path.exists()
    with path.open("a", encoding="utf-8") as file:
        if is_new:
            file.write("step,loss\n")
        file.write(f"{step},{loss!r}\n")


def _forget_losses(folder: Path, step: int) -> None:
    """Drop the losses of steps that will be trained again."""
    path = folder / "losses.csv"
    if path.exists():
        lines = path.read_text("utf-8").splitlines(keepends=True)
        path.write_text("".join(lines[: step + 1]), "utf-8")
