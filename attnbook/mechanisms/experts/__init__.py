"""Mixture of experts: each token goes through a few of many networks.

Top-k routing and its measures (`routing`), and the layer with its experts,
shared ones among them (`layer`).
"""

from attnbook.mechanisms.experts.layer import Experts, experts_by_loop
from attnbook.mechanisms.experts.routing import (
    Routing,
    balance_loss,
    load_entropy,
    loads,
    route,
    update_bias,
)

__all__ = [
    "Experts",
    "Routing",
    "balance_loss",
    "experts_by_loop",
    "load_entropy",
    "loads",
    "route",
    "update_bias",
]
