"""The figures of the book: one identity, one module a family.

``style`` holds the colours and Matplotlib's defaults; ``maps``, ``lines``,
``dots`` and ``diagrams`` draw; ``tables`` shows results in rows and columns;
``numbers`` takes them out of tensors.
"""

from attnbook.plots.diagrams import decoder_wirings, wirings
from attnbook.plots.dots import dots_by_seed, leaderboard
from attnbook.plots.lines import accuracy_by_length, curves
from attnbook.plots.maps import (
    alignment_against_truth,
    attention_map,
    shaded_table,
)
from attnbook.plots.style import COLOURS, SEQUENTIAL, use_style
from attnbook.plots.tables import Table

__all__ = [
    "COLOURS",
    "SEQUENTIAL",
    "Table",
    "accuracy_by_length",
    "alignment_against_truth",
    "attention_map",
    "curves",
    "decoder_wirings",
    "dots_by_seed",
    "leaderboard",
    "shaded_table",
    "use_style",
    "wirings",
]
