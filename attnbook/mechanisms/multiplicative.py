"""Scores and windows of Luong, Pham and Manning (2015), section 3.

A score is a module that turns queries and keys into a number for each pair;
softmax, mask and blend come afterwards, and are the same for all of them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attnbook.mechanisms.shapes import require, require_vectors


class DotScore(nn.Module):
    """The dot product of query and key: Luong et al. (2015), section 3.1.

    It has nothing to learn, and needs queries and keys of one size.
    """

    def project(self, key: Tensor) -> Tensor:
        """What depends on the keys alone: the keys, (B, S, d_k)."""
        return key

    def forward(
        self, query: Tensor, key: Tensor, projected: Tensor | None = None
    ) -> Tensor:
        """Score each query against each key.

        Args:
            query: (B, T, d).
            key: (B, S, d), of the same size d.
            projected: `project(key)`, where it has been computed already.

        Returns:
            scores (B, T, S).

        Raises:
            ValueError: if a shape does not fit, naming the argument.
        """
        _check_one_space(query, key)
        return query @ key.mT  # (B, T, S)


class GeneralScore(nn.Module):
    """A bilinear score, q·W k: Luong et al. (2015), section 3.1.

    The matrix carries keys into the space of queries, so that the two may
    differ in size. PyTorch has it as `nn.Bilinear` with one output.

    Args:
        d_q: size of a query.
        d_k: size of a key.
    """

    def __init__(self, d_q: int, d_k: int):
        super().__init__()
        self.key_projection = nn.Linear(d_k, d_q, bias=False)

    def project(self, key: Tensor) -> Tensor:
        """W k for all keys, (B, S, d_k) to (B, S, d_q): once a sentence."""
        require_vectors("key", key, "S", self.key_projection.in_features)
        return self.key_projection(key)

    def forward(
        self, query: Tensor, key: Tensor, projected: Tensor | None = None
    ) -> Tensor:
        """Score each query against each key.

        Args:
            query: (B, T, d_q).
            key: (B, S, d_k).
            projected: `project(key)`, where it has been computed already.

        Returns:
            scores (B, T, S).

        Raises:
            ValueError: if a shape does not fit, naming the argument.
        """
        require_vectors(
            "query", query, "T", self.key_projection.out_features, beside=key
        )
        if projected is None:
            projected = self.project(key)  # (B, S, d_q)
        return query @ projected.mT  # (B, T, S)


class ConcatScore(nn.Module):
    """v·tanh(W [q; k]): Luong et al. (2015), section 3.1.

    It is the score of Bahdanau et al. (2015), appendix A.1.2. W is kept as
    its two halves, so that the keys are projected once for all queries.

    Args:
        d_q: size of a query.
        d_k: size of a key.
        d_a: size of the hidden layer.
    """

    def __init__(self, d_q: int, d_k: int, d_a: int):
        super().__init__()
        self.query_projection = nn.Linear(d_q, d_a, bias=False)
        self.key_projection = nn.Linear(d_k, d_a, bias=False)
        self.v = nn.Linear(d_a, 1, bias=False)

    def project(self, key: Tensor) -> Tensor:
        """The keys' half of W [q; k], (B, S, d_a): once a sentence."""
        require_vectors("key", key, "S", self.key_projection.in_features)
        return self.key_projection(key)

    def forward(
        self, query: Tensor, key: Tensor, projected: Tensor | None = None
    ) -> Tensor:
        """Score each query against each key.

        Args:
            query: (B, T, d_q).
            key: (B, S, d_k).
            projected: `project(key)`, where it has been computed already.

        Returns:
            scores (B, T, S).

        Raises:
            ValueError: if a shape does not fit, naming the argument.
        """
        require_vectors(
            "query", query, "T", self.query_projection.in_features, beside=key
        )
        if projected is None:
            projected = self.project(key)  # (B, S, d_a)
        hidden = self.query_projection(query)[:, :, None]  # (B, T, 1, d_a)
        hidden = torch.tanh(hidden + projected[:, None])  # (B, T, S, d_a)
        return self.v(hidden).squeeze(-1)  # (B, T, S)


class LocationScore(nn.Module):
    """W q, one row for each position: Luong et al. (2015), equation 8.

    It never looks at the keys: the query alone says which position it wants.

    Args:
        d_q: size of a query.
        max_length: the greatest number of keys.
    """

    def __init__(self, d_q: int, max_length: int):
        super().__init__()
        self.position = nn.Linear(d_q, max_length, bias=False)

    def project(self, key: Tensor) -> Tensor:
        """What depends on the keys alone: nothing, so the keys themselves."""
        return key

    def forward(
        self, query: Tensor, key: Tensor, projected: Tensor | None = None
    ) -> Tensor:
        """Score each position for each query.

        Args:
            query: (B, T, d_q).
            key: (B, S, d_k), of which only S counts.
            projected: taken, and not needed.

        Returns:
            scores (B, T, S).

        Raises:
            ValueError: if a shape does not fit, or S is above `max_length`.
        """
        require_vectors(
            "query", query, "T", self.position.in_features, beside=key
        )
        _check_length(key, self.position.out_features)
        return self.position(query)[..., : key.shape[1]]  # (B, T, S)


def monotonic_window(
    T: int,
    S: int,
    half_width: float,
    first: int = 0,
    device=None,
    slope: float = 1,
) -> Tensor:
    """Where local-m may look: at keys s with |s - slope·t| <= half_width.

    Luong et al. (2015), section 3.2, have p_t = t, a slope of 1.

    Args:
        T: number of queries.
        S: number of keys.
        half_width: D, in keys to either side.
        first: the t of the first query.
        device: of the result.
        slope: keys that the centre moves per query.

    Returns:
        (T, S), boolean; True may be attended to.

    Raises:
        ValueError: if half_width is negative.
    """
    _check_not_negative(half_width)
    centre = slope * (first + torch.arange(T, device=device))  # (T,)
    place = torch.arange(S, device=device)  # (S,)
    return (place - centre[:, None]).abs() <= half_width


def gaussian_window(
    centre: Tensor, S: int, half_width: float
) -> tuple[Tensor, Tensor]:
    """Where local-p looks, and how strongly: Luong et al. (2015), eq. 10.

    The Gaussian has the standard deviation D / 2. It multiplies the weights
    *after* softmax, so that a row no longer sums to 1; and it is the only way
    by which a gradient reaches the centre.

    Args:
        centre: (B, T), in positions from 0; any real number.
        S: number of keys.
        half_width: D, in keys to either side.

    Returns:
        inside (B, T, S), boolean, true where |s - centre| <= D, and the
        factor (B, T, S), from 0 to 1.

    Raises:
        ValueError: if half_width is not positive.
    """
    _check_positive(half_width)
    place = torch.arange(S, device=centre.device)  # (S,)
    distance = place - centre[..., None]  # (B, T, S)
    factor = torch.exp(-0.5 * (2 * distance / half_width).square())
    return distance.abs() <= half_width, factor


class PredictedCentre(nn.Module):
    """Where to look, S·sigmoid(v·tanh(W q)): Luong et al. (2015), eq. 9.

    Args:
        d_q: size of a query.
    """

    def __init__(self, d_q: int):
        super().__init__()
        self.hidden = nn.Linear(d_q, d_q, bias=False)
        self.v = nn.Linear(d_q, 1, bias=False)

    def forward(self, query: Tensor, length: Tensor) -> Tensor:
        """Predict a position for each query.

        Args:
            query: (B, T, d_q).
            length: (B,), the number of keys of each sentence.

        Returns:
            (B, T), positions from 0 to `length`.

        Raises:
            ValueError: if a shape does not fit, naming the argument.
        """
        require_vectors("query", query, "T", self.hidden.in_features)
        _check_one_a_sentence(length, query)
        share = torch.sigmoid(self.v(torch.tanh(self.hidden(query))))
        return length[:, None] * share.squeeze(-1)  # (B, T)


def _check_one_space(query: Tensor, key: Tensor) -> None:
    """Raise a ValueError unless a dot product of the two can be taken."""
    require(query.ndim == 3, "query", query.shape, "(B, T, d)")
    require(
        key.ndim == 3 and len(key) == len(query),
        "key",
        key.shape,
        f"({len(query)}, S, {query.shape[-1]})",
    )
    require(
        key.shape[-1] == query.shape[-1],
        "key",
        key.shape,
        f"keys of the queries' size, {query.shape[-1]}, since a dot "
        "product needs both in one space; GeneralScore takes other sizes",
    )


def _check_length(key: Tensor, longest: int) -> None:
    """Raise a ValueError if there are more keys than rows of weights."""
    require(
        key.shape[1] <= longest,
        "key",
        key.shape,
        f"at most {longest} keys, for each of which there is a row of "
        "weights; make the score with a greater max_length",
    )


def _check_one_a_sentence(length: Tensor, query: Tensor) -> None:
    """Raise a ValueError unless each sentence has its length."""
    require(
        length.shape == query.shape[:1],
        "length",
        length.shape,
        f"({len(query)},), one for each sentence",
    )


def _check_not_negative(half_width: float) -> None:
    if half_width < 0:
        raise ValueError(
            f"half_width is {half_width}; expected 0 or more keys to either "
            "side"
        )


def _check_positive(half_width: float) -> None:
    if half_width <= 0:
        raise ValueError(
            f"half_width is {half_width}; expected more than 0, since the "
            "Gaussian's standard deviation is half of it"
        )
