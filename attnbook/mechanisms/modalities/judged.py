"""How good are pictures that nobody drew? Distances, variety, and ink."""

from __future__ import annotations

import torch
from torch import Tensor

from attnbook.mechanisms.shapes import require


def frechet_distance(one: Tensor, other: Tensor) -> float:
    """The distance of two clouds of features, as if both were Gaussian.

    Heusel et al. (2017), equation 6: the squared distance of the means, plus
    the trace of C1 + C2 - 2 (C1 C2)^(1/2) of the covariances. It is 0 only
    if means and covariances agree. Small samples are never at 0: compare
    with the distance of two samples of real data.

    Args:
        one: (N, F).
        other: (M, F).

    Raises:
        ValueError: if a cloud has fewer than two points, or the features
            differ.
    """
    require(one.ndim == 2 and len(one) > 1, "one", one.shape, "(N, F), N > 1")
    require(
        other.ndim == 2 and len(other) > 1 and other.shape[1] == one.shape[1],
        "other",
        other.shape,
        f"(M, {one.shape[-1]}), M > 1",
    )
    one, other = one.double(), other.double()
    means = (one.mean(0) - other.mean(0)).square().sum()
    first = torch.cov(one.T).reshape(one.shape[1], -1)
    second = torch.cov(other.T).reshape(one.shape[1], -1)
    # (C1 C2)^(1/2) has the trace of (R C2 R)^(1/2) with R = C1^(1/2), and
    # that matrix is symmetric.
    values, vectors = torch.linalg.eigh(first)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    both = torch.linalg.eigvalsh(root @ second @ root).clamp(min=0).sqrt()
    trace = first.trace() + second.trace() - 2 * both.sum()
    return (means + trace).item()


def variety(images: Tensor, labels: Tensor) -> float:
    """The mean distance of two different pictures of one label.

    Args:
        images: (N, ...).
        labels: (N,), integers.

    Raises:
        ValueError: if the numbers differ, or no label has two pictures.
    """
    require(labels.shape == images.shape[:1], "labels", labels.shape, "(N,)")
    distances = torch.cdist(images.flatten(1), images.flatten(1))
    same = labels[:, None] == labels
    same = same & ~torch.eye(len(labels), dtype=torch.bool)
    require(bool(same.any()), "labels", labels.shape, "two of one label")
    return distances[same].mean().item()


def nearest_distance(images: Tensor, known: Tensor) -> Tensor:
    """The distance of each picture to its nearest known one: (N,).

    Args:
        images: (N, ...).
        known: (M, ...).
    """
    return torch.cdist(images.flatten(1), known.flatten(1)).amin(1)


def ink_score(weights: Tensor, ink: Tensor) -> Tensor:
    """How well a word's weight tells places with ink from blank ones: (B,).

    The area under the curve: the chance that a place with ink, drawn at
    random, has more weight than a blank one; equal weights count a half. A
    word that is looked at equally from everywhere has 0.5.

    Args:
        weights: (B, P).
        ink: (B, P), boolean.

    Returns:
        The score of each row; NaN where all or no places have ink.

    Raises:
        TypeError: if `ink` is not boolean.
        ValueError: if the shapes differ.
    """
    require(ink.shape == weights.shape, "ink", ink.shape, "that of weights")
    if ink.dtype != torch.bool:
        raise TypeError(f"ink has dtype {ink.dtype}; expected torch.bool")
    more = weights[:, :, None] > weights[:, None, :]
    equal = weights[:, :, None] == weights[:, None, :]
    pairs = ink[:, :, None] & ~ink[:, None, :]  # (B, P, P)
    won = ((more + 0.5 * equal) * pairs).sum((1, 2))
    return won / pairs.sum((1, 2))
