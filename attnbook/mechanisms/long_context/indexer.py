"""A cheap look at all keys that chooses the few to attend to.

DeepSeek-AI (2025), "DeepSeek-V3.2", section 2.1: a lightning indexer scores
every key with small vectors; each query attends to its k best keys. It is
fitted to the weights of dense attention.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attnbook.mechanisms.long_context.patterns import require_at_least_one
from attnbook.mechanisms.shapes import require, require_vectors


class Indexer(nn.Module):
    """Score each key for each query: Σ_h w_h · relu(q_h · k), equation 1.

    The heads share one key. The weights w depend on the query's token. It
    still looks at all keys, n² scores in all, but each is a product of
    `size` numbers and needs no exponential and no value.

    Args:
        d_model: D, size of a token.
        heads: of the indexer.
        size: of its queries and keys.

    Raises:
        ValueError: if a size is less than 1.
    """

    def __init__(self, d_model: int, heads: int, size: int):
        super().__init__()
        require_at_least_one(d_model=d_model, heads=heads, size=size)
        self.heads, self.size = heads, size
        self.query_projection = nn.Linear(d_model, heads * size, bias=False)
        self.key_projection = nn.Linear(d_model, size, bias=False)
        self.head_weights = nn.Linear(d_model, heads, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Scores of every key for every query, (B, n, D) to (B, n, n).

        Nothing is masked: also keys ahead get a score.

        Raises:
            ValueError: if x has another shape.
        """
        require_vectors("x", x, "n", self.key_projection.in_features)
        q = self.query_projection(x).unflatten(-1, (self.heads, self.size))
        k = self.key_projection(x)  # (B, n, size)
        products = torch.einsum("bthc,bsc->btsh", q, k) * self.size**-0.5
        w = self.head_weights(x)[:, :, None]  # (B, n, 1, heads)
        return (products.relu() * w).sum(-1) * self.heads**-0.5


def indexer_loss(scores: Tensor, weights: Tensor, mask: Tensor) -> Tensor:
    """KL of the indexer's softmax from dense attention: equation 3.

    The target is the dense weights, summed over heads and divided so that
    they sum to 1 over the keys. No gradient goes into it.

    Args:
        scores: (B, T, S), of the indexer.
        weights: (B, H, T, S), of dense attention under the same mask.
        mask: boolean, (T, S) or (B, T, S); each query has a key.

    Returns:
        Nats a query, the mean.

    Raises:
        ValueError: if a shape does not fit.
    """
    B, T, S = scores.shape
    require(
        weights.ndim == 4
        and weights.shape[0] == B
        and weights.shape[2:] == (T, S),
        "weights",
        weights.shape,
        f"({B}, H, {T}, {S})",
    )
    target = weights.detach().mean(1)  # (B, T, S)
    log_q = scores.masked_fill(~mask, -torch.inf).log_softmax(-1)
    log_q = log_q.masked_fill(~mask, 0)
    entropy = torch.special.entr(target).sum(-1)  # (B, T)
    return (-(target * log_q).sum(-1) - entropy).mean()


def top_keys(
    scores: Tensor, k: int, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The k keys of greatest score for each query, among those allowed.

    Masked keys are left out before anything is chosen. A query with fewer
    than k allowed keys gets all of them.

    Args:
        scores: (..., T, S).
        k: keys for each query, at most.
        mask: boolean, broadcastable to (..., T, S); the causal triangle, T
            and S being equal, if left out.

    Returns:
        index (..., T, m) with m = min(k, S), and allowed, of the same shape,
        for `selected_attention`.

    Raises:
        TypeError: if the mask is not boolean.
        ValueError: if k is less than 1, or the triangle is asked for where
            T is not S.
    """
    require_at_least_one(k=k)
    T, S = scores.shape[-2:]
    if mask is None:
        require(T == S, "scores", scores.shape, "(..., T, T), or a mask")
        mask = torch.ones(T, S, dtype=torch.bool, device=scores.device).tril()
    if mask.dtype != torch.bool:
        raise TypeError(
            f"mask has dtype {mask.dtype}; expected torch.bool, where True "
            "means that the key may be chosen"
        )
    allowed = mask.expand_as(scores)
    ranked = scores.masked_fill(~allowed, -torch.inf)
    index = ranked.topk(min(k, S), dim=-1).indices
    return index, allowed.gather(-1, index)


def share_kept(index: Tensor, allowed: Tensor, sources: Tensor) -> Tensor:
    """For which queries the true source is among the chosen keys: (..., T).

    Args:
        index: (..., T, m).
        allowed: boolean, of the same shape.
        sources: (..., T), the position of each query's true source.
    """
    return ((index == sources[..., None]) & allowed).any(-1)
