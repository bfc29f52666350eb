"""Search by words, and what a ranking is worth."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from attnbook.mechanisms.shapes import require


class BM25:
    """Rank documents by the rare words that they share with a question.

    Robertson and Zaragoza (2009): a word that few documents have counts more,
    and its tenth occurrence counts less than its first. Of a word in n of N
    documents, log(1 + (N - n + 1/2) / (n + 1/2)) is never negative.

    Args:
        documents: a sequence of words each.
        k1: how fast further occurrences of a word stop to count.
        b: 0 to 1, how much the length of a document matters.

    Raises:
        ValueError: if there is no document.
    """

    def __init__(
        self,
        documents: Sequence[Sequence[Hashable]],
        k1: float = 1.5,
        b: float = 0.75,
    ):
        if not documents:
            raise ValueError("documents is empty; expected at least one")
        self.counts = [Counter(document) for document in documents]
        lengths = [len(document) for document in documents]
        mean = sum(lengths) / len(lengths) or 1.0
        self.k1 = k1
        self.norms = [1 - b + b * length / mean for length in lengths]
        self.having = Counter(
            word for counts in self.counts for word in counts
        )

    def weight(self, word: Hashable) -> float:
        """How much a word says, in nats."""
        n = self.having[word]
        return math.log1p((len(self.counts) - n + 0.5) / (n + 0.5))

    def scores(self, question: Sequence[Hashable]) -> Tensor:
        """The score of every document, (N,)."""
        found = torch.zeros(len(self.counts), dtype=torch.float64)
        for word, times in Counter(question).items():
            weight = times * self.weight(word)
            for i, (counts, norm) in enumerate(
                zip(self.counts, self.norms, strict=True)
            ):
                if tf := counts[word]:
                    share = tf * (self.k1 + 1) / (tf + self.k1 * norm)
                    found[i] += weight * share
        return found


def ranks(scores: Tensor, right: Tensor) -> Tensor:
    """The rank of the best right document of each question, from 1: (Q,).

    Documents with equal scores share the mean of their ranks, so that a
    ranking which cannot tell them apart gains nothing.

    Args:
        scores: (Q, N).
        right: (Q, N), boolean; at least one in each row.

    Raises:
        ValueError: if the shapes differ, or a row has no right document.
    """
    require(right.shape == scores.shape, "right", right.shape, "(Q, N)")
    if not right.any(-1).all():
        raise ValueError(
            "right has a row without True; expected a right document for "
            "each question"
        )
    best = scores.masked_fill(~right, -torch.inf).amax(-1, keepdim=True)
    above = (scores > best).sum(-1)
    equal = ((scores == best) & ~right).sum(-1)
    return 1 + above + equal / 2


def recall_at(rank: Tensor, k: int) -> float:
    """Share of questions whose right document is among the first k."""
    return (rank <= k).double().mean().item()


def fused(*scores: Tensor, k: float = 60.0) -> Tensor:
    """One score of several rankings: the sum of 1 / (k + rank).

    Reciprocal rank fusion, Cormack et al. (2009). It needs no common scale.

    Args:
        scores: (Q, N) each.
        k: damps the first ranks.

    Raises:
        ValueError: if the shapes differ.
    """
    total = torch.zeros_like(scores[0], dtype=torch.float64)
    for each in scores:
        require(
            each.shape == scores[0].shape,
            "scores",
            each.shape,
            f"{tuple(scores[0].shape)}",
        )
        rank = (
            each.argsort(dim=-1, descending=True, stable=True).argsort(-1) + 1
        )
        total += 1 / (k + rank)
    return total
