"""Train a translator or a language model, and measure what it has learnt."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm.auto import tqdm


@dataclass
class History:
    """What happened in a fit: the loss (nats a token) of each step."""

    loss: list[float] = field(default_factory=list)
    checks: list[tuple[int, float]] = field(default_factory=list)
    seconds: float = 0.0
    parameters: int = 0
    seed: int = 0

    @property
    def steps(self) -> int:
        """Number of steps taken."""
        return len(self.loss)

    def __repr__(self) -> str:
        return (
            f"History({self.steps} steps, {self.parameters:,} parameters, "
            f"seed {self.seed})"
        )


def learning_rate(step: int, steps: int, warmup: int) -> float:
    """The share of the peak rate at a step: linear up, then a cosine down.

    Args:
        step: from 0.
        steps: in all.
        warmup: steps of linear growth.
    """
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(steps - warmup, 1)
    return 0.5 * (1 + math.cos(math.pi * progress))


def fit(
    model: nn.Module,
    task,
    steps: int,
    batch_size: int = 128,
    lr: float = 3e-3,
    seed: int = 0,
    clip: float = 1.0,
    warmup: int = 50,
    target: float | None = None,
    every: int = 100,
    progress: bool = True,
    loss_of: Callable[..., Tensor] | None = None,
) -> History:
    """Train a model on a task by teacher forcing, with Adam.

    The same seed gives the same weights on one machine, provided that the
    model was made under `torch.manual_seed` as well.

    Args:
        model: a translator; `model(source, source_mask, target_in)` returns
            logits (B, T, V) and weights. Or another that `loss_of` can call.
        task: from `attnbook.data`; batches are drawn from its train split.
        steps: at most this many.
        batch_size: examples a step.
        lr: Adam's peak rate.
        seed: of the batches.
        clip: greatest norm of the gradient.
        warmup: steps of linear growth of the rate.
        target: stop as soon as exact match on fresh training examples
            reaches this, from 0 to 1; None takes all the steps.
        every: steps between two looks at the target.
        progress: show a progress bar.
        loss_of: the loss of a model on a batch; `batch_loss`, that of a
            translator, if None. `text_loss` is that of a language model.

    Raises:
        ValueError: for steps, batch_size or target out of range.
        FloatingPointError: if the loss is no longer finite.
    """
    if steps < 1 or batch_size < 1:
        raise ValueError(
            f"fit: steps is {steps} and batch_size is {batch_size}; expected "
            "at least 1 of each"
        )
    if target is not None and not 0 < target <= 1:
        raise ValueError(
            f"fit: target is {target}; expected an exact match above 0 and "
            "at most 1, or None"
        )
    device = next(model.parameters()).device
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=lr)
    history = History(
        parameters=sum(p.numel() for p in model.parameters()), seed=seed
    )
    model.train()
    started = time.perf_counter()
    bar = tqdm(range(steps), disable=not progress, unit="step", mininterval=1)
    for step in bar:
        for group in optimiser.param_groups:
            group["lr"] = lr * learning_rate(step, steps, warmup)
        batch = task.sample(batch_size, rng).to(device)
        loss = (loss_of or batch_loss)(model, batch)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimiser.step()
        history.loss.append(loss.item())
        if not math.isfinite(history.loss[-1]):
            raise FloatingPointError(
                f"fit: the loss is {history.loss[-1]} at step {step}; try a "
                f"smaller lr than {lr} or a smaller clip than {clip}"
            )
        bar.set_postfix(loss=f"{history.loss[-1]:.3f}", refresh=False)
        if target is not None and (step + 1) % every == 0:
            reached = exact_match(model, task.sample(256, rng).to(device))
            history.checks.append((step + 1, reached))
            model.train()
            if reached >= target:
                break
    bar.close()
    model.eval()
    history.seconds = time.perf_counter() - started
    return history


def batch_loss(model: nn.Module, batch) -> Tensor:
    """Mean cross-entropy, in nats a token; padding does not count."""
    logits, _ = model(batch.source, batch.source_mask, batch.target_in)
    return F.cross_entropy(
        logits[batch.target_mask], batch.target_out[batch.target_mask]
    )


def text_loss(model: nn.Module, windows: Tensor) -> Tensor:
    """Mean cross-entropy of each next token of a text, in nats a token.

    Args:
        model: `model(ids)` returns logits (B, T, V) and weights.
        windows: (B, T + 1); the model reads the first T tokens of each row,
            and its T predictions are compared with the last T.
    """
    logits, _ = model(windows[:, :-1])  # (B, T, V)
    return F.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())


@torch.no_grad()
def text_log_loss(model: nn.Module, ids, longest: int) -> float:
    """-log P of a text, in nats, summed over its tokens.

    The model reads windows of `longest` tokens, each half a window further
    than the one before, and only what is new in a window counts, so that a
    prediction has about half a window before it, or more. The first token,
    which has nothing before it, counts as drawn from all V alike. In bits per
    byte: `text_log_loss(model, ids, T) / math.log(2) / len(text.encode())`.

    Args:
        model: `model(ids)` returns logits (B, T, V) and weights.
        ids: (N,), the text.
        longest: T, tokens that the model reads at once.

    Raises:
        ValueError: for a text of fewer than two tokens, or longest below 1.
    """
    ids = torch.as_tensor(ids, device=next(model.parameters()).device)
    if len(ids) < 2 or longest < 1:
        raise ValueError(
            f"text_log_loss: ids has {len(ids)} tokens and longest is "
            f"{longest}; expected at least 2 and 1"
        )
    T = min(longest, len(ids) - 1)
    last = len(ids) - 1 - T  # where the last window begins
    begins = torch.tensor([*range(0, last, T - T // 2), last])  # (W,)
    known = torch.cat([torch.zeros(1, dtype=int), begins[:-1] + T])  # (W,)
    model.eval()
    total = 0.0
    for begin, until in zip(begins.split(64), known.split(64), strict=True):
        at = begin[:, None] + torch.arange(T + 1)  # (B, T + 1)
        windows = ids[at]
        logits, _ = model(windows[:, :-1])  # (B, T, V)
        losses = F.cross_entropy(
            logits.transpose(1, 2), windows[:, 1:], reduction="none"
        )  # (B, T)
        total += losses[at[:, 1:] > until[:, None]].sum().item()
    return total + math.log(logits.shape[-1])


@torch.no_grad()
def right_answers(model: nn.Module, batch) -> Tensor:
    """Which answers are right to the last digit, and end there: (B,) bool.

    Decoded greedily, with no look at the true digits.
    """
    model.eval()
    tokens, _ = model.generate(
        batch.source, batch.source_mask, batch.target_out.shape[1]
    )  # (B, T)
    return ((tokens == batch.target_out) | ~batch.target_mask).all(dim=1)


def exact_match(model: nn.Module, batch) -> float:
    """The share of answers that are right to the last digit, from 0 to 1."""
    return right_answers(model, batch).float().mean().item()


def accuracy_by_length(
    model: nn.Module,
    task,
    lengths: Iterable[int],
    split: str = "held-out",
    count: int = 250,
    seed: int = 0,
) -> dict[int, float]:
    """Exact match for each length, on `count` examples of a split each.

    Args:
        model: a translator.
        task: from `attnbook.data`.
        lengths: as the task counts them, such as pairs of digits.
        split: "train", "held-out" or "longer".
        count: examples a length.
        seed: of the draw.
    """
    device = next(model.parameters()).device
    accuracy = {}
    for length in lengths:
        examples = task.examples(count, split, length=length, seed=seed)
        batch = task.collate(examples).to(device)
        accuracy[length] = exact_match(model, batch)
    return accuracy


def alignment_score(weights: Tensor, truth: Tensor) -> float:
    """The mean attention that an output puts on the tokens it comes from.

    1 means that all of the weight lies on true source tokens. Outputs that
    come from no token (the end mark, padding) do not count.

    Args:
        weights: (B, T, S) or (T, S), rows that sum to 1.
        truth: boolean, of the same shape.

    Raises:
        ValueError: if the shapes differ, or no output has a true source.
    """
    weights = torch.as_tensor(weights)
    truth = torch.as_tensor(truth, device=weights.device)
    if weights.shape != truth.shape:
        raise ValueError(
            f"alignment_score: weights have shape {tuple(weights.shape)} and "
            f"truth {tuple(truth.shape)}; expected the same, (B, T, S)"
        )
    counted = truth.any(dim=-1)  # (B, T)
    if not counted.any():
        raise ValueError(
            "alignment_score: no row of truth marks a source token, so there "
            "is nothing to score"
        )
    mass = (weights * truth).sum(dim=-1)  # (B, T)
    return mass[counted].mean().item()
