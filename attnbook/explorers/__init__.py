"""Figures that answer to mouse, touch and keyboard.

Each explorer is a widget whose arithmetic runs in the browser, so the same
cell works in the published page, in Jupyter, in VS Code and in Colab.
"""

from attnbook.explorers.alignment_scrubber import AlignmentScrubber
from attnbook.explorers.block_walk import BlockWalk
from attnbook.explorers.cache_meter import CacheMeter
from attnbook.explorers.frames import Frames
from attnbook.explorers.generation import Generation
from attnbook.explorers.head_picker import HeadPicker
from attnbook.explorers.mask_painter import MaskPainter
from attnbook.explorers.pattern_painter import PatternPainter
from attnbook.explorers.ring_walk import RingWalk
from attnbook.explorers.rotary_dial import RotaryDial
from attnbook.explorers.scaled_scores import ScaledScores
from attnbook.explorers.score_window import ScoreWindow
from attnbook.explorers.soft_lookup import SoftLookup
from attnbook.explorers.softmax_dial import SoftmaxDial
from attnbook.explorers.tile_walk import TileWalk
from attnbook.explorers.wavelengths import Wavelengths

__all__ = [
    "AlignmentScrubber",
    "BlockWalk",
    "CacheMeter",
    "Frames",
    "Generation",
    "HeadPicker",
    "MaskPainter",
    "PatternPainter",
    "RingWalk",
    "RotaryDial",
    "ScaledScores",
    "ScoreWindow",
    "SoftLookup",
    "SoftmaxDial",
    "TileWalk",
    "Wavelengths",
]
