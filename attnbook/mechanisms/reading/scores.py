"""A ranking of source tokens against the tokens that are truly needed."""

from __future__ import annotations

import torch
from torch import Tensor

from attnbook.mechanisms.shapes import broadcast, require


def area_under_curve(
    scores: Tensor, truth: Tensor, mask: Tensor | None = None
) -> Tensor:
    """How often a true token is ranked above another one, for each row.

    The area under the curve of true positives against false positives,
    counted in pairs: the share of all pairs of a true and another token in
    which the true one has the higher score. A tie counts half. 0.5 is what a
    ranking by chance gets, 1 a ranking with all true tokens in front.

    Args:
        scores: (..., S), floating point; higher is ranked first.
        truth: (..., S), boolean; True is a token that is needed.
        mask: broadcastable to (..., S), boolean; True is ranked. All, if
            left out.

    Returns:
        (...), from 0 to 1, and NaN where a row has no such pair.

    Raises:
        TypeError: if truth or mask are not boolean.
        ValueError: if a shape does not fit, or a score is NaN.
    """
    scores, truth, mask = _checked(scores, truth, mask)
    yes, no = truth & mask, ~truth & mask
    pairs = (yes[..., :, None] & no[..., None, :]).to(scores)  # (..., S, S)
    above = scores[..., :, None] > scores[..., None, :]
    equal = scores[..., :, None] == scores[..., None, :]
    won = (pairs * (above + 0.5 * equal)).sum((-2, -1))  # (...)
    return won / pairs.sum((-2, -1))


def precision_at_1(
    scores: Tensor, truth: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Whether the token that is ranked first is a true one, for each row.

    Where several share the first place, it is the share of them that is
    true: what choosing one of them at random gets on average.

    Args:
        scores: (..., S), floating point; higher is ranked first.
        truth: (..., S), boolean; True is a token that is needed.
        mask: broadcastable to (..., S), boolean; True is ranked. All, if
            left out.

    Returns:
        (...), from 0 to 1, and NaN where no token is true or none is ranked.

    Raises:
        TypeError: if truth or mask are not boolean.
        ValueError: if a shape does not fit, or a score is NaN.
    """
    scores, truth, mask = _checked(scores, truth, mask)
    ranked = scores.masked_fill(~mask, -torch.inf)
    first = (ranked == ranked.amax(-1, keepdim=True)) & mask
    hits = (first & truth).sum(-1).to(scores) / first.sum(-1)
    return torch.where((truth & mask).any(-1), hits, torch.nan)


def mean_of_known(values: Tensor) -> float:
    """The mean of what is not NaN.

    Args:
        values: any shape, as the two functions above return it.

    Raises:
        ValueError: if all of it is NaN.
    """
    known = values[~values.isnan()]
    if not len(known):
        raise ValueError(
            "all values are NaN: no row has both a true token and another "
            "one; expected at least one row that has"
        )
    return known.mean().item()


def _checked(
    scores: Tensor, truth: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """The three in one shape."""
    require(
        truth.shape == scores.shape,
        "truth",
        truth.shape,
        f"{tuple(scores.shape)}, the shape of scores",
    )
    if mask is None:
        mask = torch.ones_like(truth, dtype=torch.bool)
    for name, tensor in (("truth", truth), ("mask", mask)):
        if tensor.dtype != torch.bool:
            raise TypeError(
                f"{name} has dtype {tensor.dtype}; expected torch.bool"
            )
    require(
        broadcast(tuple(mask.shape), tuple(scores.shape)) == scores.shape,
        "mask",
        mask.shape,
        f"one that broadcasts to {tuple(scores.shape)}",
    )
    mask = mask.expand(scores.shape)
    if scores[mask].isnan().any():
        raise ValueError(
            "scores holds NaN at a token that is ranked; expected numbers"
        )
    return scores, truth, mask
