"""Experts live on different ranks, and tokens travel to them and back.

Lepikhin et al. (2021): each rank has its own tokens and E/R of
the experts. Two exchanges of all with all carry tokens there and results back.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from attnbook.mechanisms.across_machines.collectives import all_to_all
from attnbook.mechanisms.across_machines.differentiable import exchanged
from attnbook.mechanisms.across_machines.group import Group


def mixed_by_experts(
    group: Group, x: Tensor, gates: Tensor, experts: Sequence[nn.Module]
) -> Tensor:
    """Send each token to the experts with a gate, and add up what they say.

    The experts are numbered over all ranks: rank r has those from r·E/R on.
    Their gradients come from the tokens of all ranks and are complete; only
    those of what every rank has alike, such as the router, must be summed.

    Args:
        x: (n, D), this rank's tokens; n may differ between ranks.
        gates: (n, E), the factor of each expert's output; 0 where it is not
            asked.
        experts: the E/R of this rank; each maps (m, D) to (m, D).

    Returns:
        (n, D): for each token the sum of gate times expert.

    Raises:
        ValueError: if there are not R · len(experts) gates for each token.
    """
    R, here = group.size, len(experts)
    if gates.shape != (len(x), R * here):
        raise ValueError(
            f"gates has shape {tuple(gates.shape)}; expected ({len(x)}, "
            f"{R * here}): {here} experts on each of {R} ranks"
        )
    # Sorted by expert, and so by rank too.
    expert, token = (gates != 0).T.nonzero(as_tuple=True)  # (m,), (m,)
    asked = torch.bincount(expert, minlength=R * here).view(R, here)
    asking = torch.stack(all_to_all(group, list(asked)))  # (R, E/R), from r
    sizes, D = asked.sum(1).tolist(), x.shape[1]
    parts = exchanged(
        group,
        x[token].split(sizes),
        [(int(m), D) for m in asking.sum(1)],
    )
    answers = _answered(parts, asking, experts)
    back = exchanged(group, answers, [(m, D) for m in sizes])
    weighted = torch.cat(back) * gates[token, expert, None]  # (m, D)
    return torch.zeros_like(x).index_add(0, token, weighted)


def _answered(parts, asking, experts) -> list[Tensor]:
    """Run each expert once, on what all ranks sent; split by rank again."""
    blocks = [
        part.split(numbers)
        for part, numbers in zip(parts, asking.tolist(), strict=True)
    ]  # by rank, then by expert
    found = []
    for number, expert in enumerate(experts):
        of_ranks = [block[number] for block in blocks]
        answer = expert(torch.cat(of_ranks))
        found.append(answer.split([len(block) for block in of_ranks]))
    return [torch.cat(of_rank) for of_rank in zip(*found, strict=True)]


def top_gates(logits: Tensor, k: int) -> Tensor:
    """The softmax over the k largest logits, and 0 for the others.

    Args:
        logits: (n, E).
        k: experts that a token asks.

    Returns:
        (n, E), rows that sum to 1.
    """
    chosen = logits.topk(k, -1).indices
    kept = torch.full_like(logits, -torch.inf).scatter(
        -1, chosen, logits.gather(-1, chosen)
    )
    return kept.softmax(-1)
