"""A layer of experts: Shazeer et al. (2017), with shared ones.

An expert is a feed-forward network of two linear maps and a ReLU. Shared
experts, which each token goes through, are those of Dai et al. (2024).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from attnbook.mechanisms.experts.routing import Routing, route
from attnbook.mechanisms.shapes import require


class Experts(nn.Module):
    """A mixture of experts in place of a feed-forward network.

    Args:
        d_model: D, features of a token.
        hidden: width of an expert's hidden layer.
        num_experts: E, to choose from.
        k: experts that a token is routed to.
        shared: experts that each token goes through beside these.

    Raises:
        ValueError: if a number is less than 1 (`shared`: less than 0), or k
            is greater than the number of experts.
    """

    def __init__(
        self,
        d_model: int,
        hidden: int,
        num_experts: int,
        k: int,
        shared: int = 0,
    ):
        super().__init__()
        if not 1 <= k <= num_experts or min(d_model, hidden) < 1 or shared < 0:
            raise ValueError(
                f"got d_model={d_model}, hidden={hidden}, k={k}, "
                f"num_experts={num_experts}, shared={shared}; expected "
                "sizes of at least 1, and k of at most num_experts"
            )
        self.k, self.num_experts, self.shared = k, num_experts, shared
        total = num_experts + shared
        self.router = nn.Linear(d_model, num_experts, bias=False)
        self.inward = nn.Parameter(torch.empty(total, d_model, hidden))
        self.outward = nn.Parameter(torch.empty(total, hidden, d_model))
        nn.init.uniform_(self.inward, -(d_model**-0.5), d_model**-0.5)
        nn.init.uniform_(self.outward, -(hidden**-0.5), hidden**-0.5)
        self.register_buffer("bias", torch.zeros(num_experts))

    def expert(self, number: int, x: Tensor) -> Tensor:
        """Apply one expert to tokens (N, D); shared ones come last."""
        return (x @ self.inward[number]).relu() @ self.outward[number]

    def forward(self, x: Tensor) -> tuple[Tensor, Routing]:
        """Send each token (..., D) through its experts.

        The tokens of an expert are gathered, computed in one product, and
        added where they came from.

        Returns:
            (..., D), and the routing of the tokens in their order.

        Raises:
            ValueError: if the last dimension is not D.
        """
        D = self.inward.shape[1]
        require(x.shape[-1] == D, "x", x.shape, f"(..., {D})")
        tokens = x.reshape(-1, D)  # (N, D)
        found = route(self.router(tokens), self.k, self.bias)
        chosen = found.index.flatten()  # (N·k,)
        order = chosen.argsort(stable=True)
        counts = torch.bincount(chosen, minlength=self.num_experts)
        token = order // self.k  # whose choice it is
        parts = tokens[token].split(counts.tolist())
        outputs = torch.cat(
            [self.expert(e, part) for e, part in enumerate(parts)]
        )  # (N·k, D)
        outputs = outputs * found.weight.flatten()[order, None]
        y = torch.zeros_like(tokens).index_add(0, token, outputs)
        for number in range(self.shared):
            y = y + self.expert(self.num_experts + number, tokens)
        return y.reshape(x.shape), found


def experts_by_loop(layer: Experts, x: Tensor) -> Tensor:
    """The same by the definition, a loop over tokens.

    Args:
        layer: the experts.
        x: (N, D).

    Returns:
        (N, D).
    """
    outputs = []
    for token in x:
        scores = layer.router(token).tolist()
        exps = [math.exp(score - max(scores)) for score in scores]
        ranked = [
            one / sum(exps) + bias
            for one, bias in zip(exps, layer.bias.tolist(), strict=True)
        ]
        best = sorted(range(layer.num_experts), key=lambda e: -ranked[e])
        best = best[: layer.k]
        total = sum(exps[e] for e in best)
        y = sum(exps[e] / total * layer.expert(e, token) for e in best)
        for number in range(layer.shared):
            y = y + layer.expert(layer.num_experts + number, token)
        outputs.append(y)
    return torch.stack(outputs)
