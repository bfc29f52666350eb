"""Attention without the table of scores.

Softmax in one pass, and how pieces are put together (`online`); which tiles
are computed (`tiles`); attention in tiles, forward and backward (`tiled`); how
often a running maximum has to be followed (`rescaling`); arithmetic, traffic
and the roofline (`costs`).
"""

from attnbook.mechanisms.flash_attention.costs import (
    FORMS,
    Cost,
    attainable,
    backward_cost,
    forward_cost,
)
from attnbook.mechanisms.flash_attention.online import Running, merge
from attnbook.mechanisms.flash_attention.rescaling import (
    Lazy,
    lazily_rescaled,
)
from attnbook.mechanisms.flash_attention.tiled import tiled_attention
from attnbook.mechanisms.flash_attention.tiles import Tiling

__all__ = [
    "FORMS",
    "Cost",
    "Lazy",
    "Running",
    "Tiling",
    "attainable",
    "backward_cost",
    "forward_cost",
    "lazily_rescaled",
    "merge",
    "tiled_attention",
]
