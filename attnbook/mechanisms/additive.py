"""Additive attention: Bahdanau, Cho and Bengio (2015), appendix A.1.2."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attnbook.mechanisms.masked_softmax import masked_softmax
from attnbook.mechanisms.shapes import require, require_vectors


class AdditiveAttention(nn.Module):
    """Attention whose score is a small network: v·tanh(W_q q + W_k k).

    Bahdanau et al. (2015), section 3.1 and appendix A.1.2. Queries and keys
    may differ in size. The keys are projected once for all queries.

    Args:
        d_q: size of a query.
        d_k: size of a key.
        d_a: size of the hidden layer of the score.
    """

    def __init__(self, d_q: int, d_k: int, d_a: int):
        super().__init__()
        self.query_projection = nn.Linear(d_q, d_a, bias=False)
        self.key_projection = nn.Linear(d_k, d_a, bias=False)
        self.v = nn.Linear(d_a, 1, bias=False)

    def project(self, key: Tensor) -> Tensor:
        """Project the keys, (B, S, d_k) to (B, S, d_a): once a sentence.

        Raises:
            ValueError: if the keys have another shape.
        """
        require_vectors("key", key, "S", self.key_projection.in_features)
        return self.key_projection(key)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
        projected: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Attend from each query to all keys.

        Args:
            query: (B, T, d_q), or (B, d_q) for a single query.
            key: (B, S, d_k).
            value: (B, S, d_v).
            mask: (B, S), boolean; True may be attended to.
            projected: `project(key)`, where it has been computed already.

        Returns:
            output (B, T, d_v) and weights (B, T, S); without T if the query
            came without.

        Raises:
            TypeError: if the mask is not boolean.
            ValueError: if a shape does not fit, naming the argument.
        """
        _check(query, key, value, mask, self.query_projection.in_features)
        if mask is not None:
            mask = mask[:, None]  # (B, 1, S)
        if projected is None:
            projected = self.project(key)  # (B, S, d_a)
        single = query.ndim == 2
        if single:
            query = query[:, None]  # (B, 1, d_q)
        hidden = self.query_projection(query)[:, :, None]  # (B, T, 1, d_a)
        hidden = torch.tanh(hidden + projected[:, None])  # (B, T, S, d_a)
        scores = self.v(hidden).squeeze(-1)  # (B, T, S)
        weights = masked_softmax(scores, mask)
        output = weights @ value  # (B, T, d_v)
        if single:
            return output.squeeze(1), weights.squeeze(1)
        return output, weights


def _check(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, d_q: int
) -> None:
    """Raise a ValueError that names what does not fit the keys."""
    batch, length = key.shape[:2]
    require(
        query.ndim in (2, 3)
        and query.shape[-1] == d_q
        and len(query) == batch,
        "query",
        query.shape,
        f"({batch}, T, {d_q}) or ({batch}, {d_q})",
    )
    require(
        value.ndim == 3 and value.shape[:2] == (batch, length),
        "value",
        value.shape,
        f"({batch}, {length}, d_v), one value for each key",
    )
    if mask is not None:
        require(
            mask.shape == (batch, length),
            "mask",
            mask.shape,
            f"({batch}, {length}), one entry for each key",
        )
