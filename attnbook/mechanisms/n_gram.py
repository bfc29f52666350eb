"""The n-gram model: the next token, counted after the last n - 1 tokens.

Interpolated, with one absolute discount, in the form of Kneser and Ney (1995)
as Chen and Goodman (1999, section 2.7) write it: each count gives up a
discount, and what was given up is spread by the model of one token less.

$$P_n(w | h) = \\frac{\\max(c(h w) - D, 0)}{c(h)} + \\frac{D N(h)}{c(h)}
P_{n-1}(w | h')$$

$c(h w)$ is the count of $h$ followed by $w$, $c(h)$ its sum over $w$, $N(h)$
the number of different tokens seen after $h$, and $h'$ is $h$ without its
first token. Below the highest order $c(h w)$ does not count how often $h w$
occurs, but after how many different tokens. Below the first order stands the
uniform distribution, so that nothing has probability 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class _Grams:
    """The sequences of k tokens that were seen, and their counts.

    keys  (G,), sorted: the number of the first k - 1 tokens among the
          sequences of k - 1 tokens, times V, plus the last token
    kept  (G,), the count, less the discount
    seen  c(h) of each sequence of k - 1 tokens
    left  D N(h) / c(h), what h gives to the order below; 1 where c(h) is 0
    """

    keys: np.ndarray
    kept: np.ndarray
    seen: np.ndarray
    left: np.ndarray

    def find(self, keys: np.ndarray) -> np.ndarray:
        """The number of each sequence, or -1 if it was never seen."""
        at = np.searchsorted(self.keys, keys).clip(max=len(self.keys) - 1)
        return np.where(self.keys[at] == keys, at, -1)


class NGram:
    """An interpolated Kneser–Ney model; make one with `fit`.

    order       n; the model looks at n - 1 tokens
    vocabulary  V
    discount    D
    """

    def __init__(self, grams: list[_Grams], vocabulary: int, discount: float):
        self._grams = grams
        self.order = len(grams)
        self.vocabulary = vocabulary
        self.discount = discount

    def __repr__(self) -> str:
        return (
            f"NGram(order {self.order}, {self.vocabulary} tokens, "
            f"discount {self.discount:g})"
        )

    @classmethod
    def fit(
        cls,
        ids: Sequence[int],
        order: int,
        vocabulary: int,
        discount: float = 0.75,
    ) -> NGram:
        """Count the sequences of a text.

        Args:
            ids: the text, (T,), tokens from 0 to V - 1.
            order: n, at least 1.
            vocabulary: V.
            discount: D, between 0 and 1.

        Raises:
            ValueError: for a text shorter than the order, for a token that is
                not in the vocabulary, or for an order or a discount out of
                range.
        """
        ids = _tokens(ids, vocabulary)
        if order < 1:
            raise ValueError(f"order is {order}; expected at least 1")
        if len(ids) < order:
            raise ValueError(
                f"ids has {len(ids)} tokens; expected at least {order}, the "
                "order"
            )
        if not 0 < discount < 1:
            raise ValueError(
                f"discount is {discount}; expected a number between 0 and 1, "
                "so that something is left for tokens never seen"
            )
        places = [
            np.zeros(len(ids) + 1, int)
        ]  # of order 0: one, the empty one
        keys, counts = [], []
        for k in range(1, order + 1):
            # Where a sequence of k tokens ends, t = k - 1 to T - 1.
            context = places[-1][: len(ids) - k + 1]  # ends at t - 1
            found, first, place, count = np.unique(
                context * vocabulary + ids[k - 1 :],
                return_index=True,
                return_inverse=True,
                return_counts=True,
            )
            if k > 1:  # each of these is one token more before its last k - 1
                before = places[-1][1:][first]
                counts[-1] = np.bincount(before, minlength=len(keys[-1]))
                counts[-1][places[-1][0]] += 1  # the beginning of the text
            places.append(place)
            keys.append(found)
            counts.append(count)
        number_before = [1] + [len(found) for found in keys]
        grams = [
            _discounted(found, count, size, vocabulary, discount)
            for found, count, size in zip(
                keys, counts, number_before[:-1], strict=True
            )
        ]
        return cls(grams, vocabulary, discount)

    def probabilities(self, context: Sequence[int]) -> np.ndarray:
        """Return the probability of each next token, (V,).

        Args:
            context: the tokens before, of which the last n - 1 count. There
                may be fewer, or none.

        Raises:
            ValueError: for a token that is not in the vocabulary.
        """
        context = _tokens(context, self.vocabulary)
        p = np.full(self.vocabulary, 1 / self.vocabulary)
        for k, grams in enumerate(self._grams):
            if k > len(context):
                break
            h = self._number(context[len(context) - k :])
            if h < 0:
                break
            if grams.seen[h]:
                low, high = np.searchsorted(
                    grams.keys,
                    [h * self.vocabulary, (h + 1) * self.vocabulary],
                )
                p = grams.left[h] * p
                p[grams.keys[low:high] % self.vocabulary] += (
                    grams.kept[low:high] / grams.seen[h]
                )
        return p

    def log_loss(self, ids: Sequence[int]) -> float:
        """Return -log P of a text, in nats, summed over its tokens.

        The first tokens have shorter contexts. In bits per byte:
        `log_loss(ids) / math.log(2) / len(text.encode())`.

        Args:
            ids: (T,).

        Raises:
            ValueError: for a token that is not in the vocabulary.
        """
        ids = _tokens(ids, self.vocabulary)
        p = np.full(len(ids), 1 / self.vocabulary)  # of each token
        before = np.zeros(len(ids), int)  # the number of its context
        for grams in self._grams:
            known = before >= 0
            place = np.where(
                known, grams.find(before * self.vocabulary + ids), -1
            )
            h = before.clip(min=0)
            known &= grams.seen[h] > 0
            kept = np.where(place >= 0, grams.kept[place], 0)
            p = np.where(
                known, kept / grams.seen[h].clip(min=1) + grams.left[h] * p, p
            )
            before = np.append(-1, place[:-1])[: len(ids)]
        return float(-np.log(p).sum())

    def _number(self, tokens: np.ndarray) -> int:
        """The number of a sequence among those of its length, or -1."""
        number = 0
        for grams, token in zip(self._grams, tokens, strict=False):
            number = int(grams.find(number * self.vocabulary + int(token)))
            if number < 0:
                break
        return number


def _discounted(keys, count, contexts, vocabulary, discount) -> _Grams:
    context = keys // vocabulary
    seen = np.bincount(context, count, contexts)
    different = np.bincount(context, minlength=contexts)
    return _Grams(
        keys,
        count - discount,
        seen,
        np.where(seen > 0, discount * different / seen.clip(min=1), 1.0),
    )


def _tokens(ids: Sequence[int], vocabulary: int) -> np.ndarray:
    ids = np.asarray(ids)
    if ids.size == 0:
        ids = ids.astype(int)
    if ids.ndim != 1 or not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(
            f"ids have shape {ids.shape} and type {ids.dtype}; expected one "
            "row of whole numbers"
        )
    if ids.size and not 0 <= ids.min() <= ids.max() < vocabulary:
        raise ValueError(
            f"ids reach from {ids.min()} to {ids.max()}; expected 0 to "
            f"{vocabulary - 1}"
        )
    return ids.astype(np.int64)
