"""Figures that answer to mouse, touch and keyboard.

Each explorer is a widget whose arithmetic runs in the browser, so the same
cell works in the published page, in Jupyter, in VS Code and in Colab.
"""

from attnbook.explorers.soft_lookup import SoftLookup

__all__ = ["SoftLookup"]
