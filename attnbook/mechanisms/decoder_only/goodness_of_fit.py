"""Do these draws come from that distribution? Pearson's χ² test."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Fit(NamedTuple):
    """The statistic χ², its degrees of freedom, and its p-value."""

    statistic: float
    degrees: int
    p_value: float


def chi_squared(
    counts: Tensor, probabilities: Tensor, least: float = 5.0
) -> Fit:
    """Compare how often each outcome came with how often it should.

    Pearson (1900): χ² is the sum of (seen − expected)² / expected. Draws
    from `probabilities` give a p-value that is about uniform from 0 to 1; a
    very small one says that they come from another distribution. Outcomes
    that are expected fewer than `least` times are counted together with
    their neighbours, since the approximation fails for them alone.

    Args:
        counts: (V,), how often each outcome came.
        probabilities: (V,), summing to 1.
        least: expected draws that an outcome needs to stand alone.

    Returns:
        The statistic is infinite, and p 0, if something impossible came.

    Raises:
        ValueError: if the shapes differ, nothing was drawn, the
            probabilities do not sum to 1, or so little was drawn that fewer
            than two outcomes can be told apart.
    """
    counts, probabilities = counts.double(), probabilities.double()
    if counts.shape != probabilities.shape or counts.ndim != 1:
        raise ValueError(
            f"counts has shape {tuple(counts.shape)} and probabilities "
            f"{tuple(probabilities.shape)}; expected the same, (V,)"
        )
    if abs(float(probabilities.sum()) - 1) > 1e-4 or not counts.sum() > 0:
        raise ValueError(
            f"{int(counts.sum())} draws, and probabilities that sum to "
            f"{float(probabilities.sum()):.5g}; expected some draws, and 1"
        )
    expected = probabilities / probabilities.sum() * counts.sum()
    seen, expected = _pooled(counts, expected, least)
    degrees = int((expected > 0).sum()) - 1
    if degrees < 1:
        raise ValueError(
            f"{int(counts.sum())} draws leave fewer than two outcomes that "
            f"are expected {least:g} times; draw more often"
        )
    if (seen[expected == 0] > 0).any():
        return Fit(float("inf"), degrees, 0.0)
    seen, expected = seen[expected > 0], expected[expected > 0]
    statistic = ((seen - expected).square() / expected).sum()
    half = torch.tensor(degrees / 2, dtype=torch.float64)
    p_value = torch.special.gammaincc(half, statistic / 2)
    return Fit(float(statistic), degrees, float(p_value))


def _pooled(
    seen: Tensor, expected: Tensor, least: float
) -> tuple[Tensor, Tensor]:
    """Count rare outcomes together, in groups; impossible ones stay alone."""
    rare = (expected > 0) & (expected < least)
    if not rare.any():
        return seen, expected
    # Each rare outcome has less than `least`, so that a group of those that
    # begin within twice that much has more than `least`, but for the last.
    begins = expected[rare].cumsum(0) - expected[rare]
    last = max(int(expected[rare].sum() // (2 * least)) - 1, 0)
    group = (begins // (2 * least)).long().clamp(max=last)
    grouped, alone = [], []
    for values in (seen, expected):
        sums = torch.zeros(last + 1, dtype=values.dtype)
        grouped.append(sums.index_add(0, group, values[rare]))
        alone.append(values[~rare])
    if grouped[1][0] < least and (alone[1] > 0).any():
        common = alone[1].where(alone[1] > 0, torch.inf).argmin()
        for group_sum, values in zip(grouped, alone, strict=True):
            values[common] += group_sum[0]  # all that is rare is too little
        return tuple(alone)
    return tuple(torch.cat(pair) for pair in zip(alone, grouped, strict=True))
