"""The one visual identity of the figures, safe for colour-blind readers.

Colours are those of Okabe and Ito (2008). Figures have a white ground; the
book's style sheet inverts their lightness in dark mode, and the sequential
map runs from paper white to deep blue, so that it also prints in grey.
"""

from __future__ import annotations

import matplotlib as mpl
from matplotlib.colors import LinearSegmentedColormap

COLOURS = {
    "blue": "#0072B2",
    "orange": "#D55E00",
    "green": "#009E73",
    "purple": "#CC79A7",
    "red": "#A63603",
    "grey": "#6B6B6B",
}
SEQUENTIAL = LinearSegmentedColormap.from_list(
    "paper-to-blue", ["#FFFFFF", "#CFE3F2", "#6FAED6", "#0072B2", "#00304D"]
)
MARKERS = "osD^vP"
LINES = ["-", "--", "-.", ":"]


def use_style() -> None:
    """Set Matplotlib's defaults to the book's, for every later figure."""
    mpl.rcParams.update(
        {
            "figure.figsize": (6.4, 3.6),
            "figure.dpi": 110,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "figure.titlesize": 11,
            "figure.titleweight": "bold",
            "savefig.facecolor": "white",
            "axes.facecolor": "white",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": "#444444",
            "axes.labelcolor": "#222222",
            "axes.titlesize": 11,
            "axes.titleweight": "bold",
            "axes.titlelocation": "left",
            "axes.labelsize": 10,
            "axes.prop_cycle": mpl.cycler(color=list(COLOURS.values())),
            "xtick.labelsize": 9,
            "ytick.labelsize": 9,
            "xtick.color": "#444444",
            "ytick.color": "#444444",
            "legend.frameon": False,
            "legend.fontsize": 9,
            "lines.linewidth": 2,
            "lines.markersize": 5,
            "font.family": "sans-serif",
            "font.sans-serif": ["DejaVu Sans"],
            "image.cmap": "viridis",
        }
    )
