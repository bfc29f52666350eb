"""One sample of each explorer: the only list of them in the tests.

What holds for every explorer is tested on these, and each explorer's own
tests start from its sample.
"""

from __future__ import annotations

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import torch

from attnbook import explorers
from attnbook.explorers.kit.explorer import Explorer
from attnbook.mechanisms.byte_pairs import BytePairs
from attnbook.mechanisms.decoder_only import BLOCK_TODAY, DecoderOnly
from attnbook.mechanisms.sharing_heads import PUBLISHED


def alignment_scrubber() -> explorers.AlignmentScrubber:
    one = {
        "label": "forty-three",
        "source": ["drei", "und", "vierzig"],
        "target": ["4", "3", "<eos>"],
        "weights": [[0.0, 0.0, 1.0], [0.7, 0.2, 0.1], [0.2, 0.3, 0.5]],
        "truth": np.array([[0, 0, 1], [1, 0, 0], [0, 0, 0]], bool),
    }
    tokens = ["null", "fünf", "ein", "und", "zwanzig", "sieben", "neunzig"]
    long = {
        "label": "a telephone number",
        "source": tokens * 4,
        "target": list("0521971212" * 2),
        "weights": np.full((20, 28), 1 / 28),
    }
    return explorers.AlignmentScrubber([one, long])


def block_walk() -> explorers.BlockWalk:
    """Three tokens through four stages; the second is normalised."""
    x = np.random.default_rng(0).normal(1.0, 2.0, size=(3, 8))  # (T, D)
    h = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
    wide = np.maximum(0, np.tile(h, 4))  # (T, 4 D)
    keys = ("name", "shape", "formula", "text", "values")
    told = [
        ("embedding", "(B, T, D)", "x", "looked up", x),
        ("layer norm", "(B, T, D)", "h = LN(x)", "mean 0", h),
        ("widen", "(B, T, 4·D)", "max(0, W h)", "many are zero", wide),
        ("heads", "(B, H, T, D/H)", "split", "each its own", h),
    ]
    return explorers.BlockWalk(
        ["drei", "und", "vierzig"],
        [dict(zip(keys, row, strict=True)) for row in told],
        {"B": 2, "T": 3, "D": 8, "H": 2},
    )


def cache_meter() -> explorers.CacheMeter:
    return explorers.CacheMeter(PUBLISHED, "Llama 3 8B")


def frames() -> explorers.Frames:
    def draw(width: float):
        fig, ax = plt.subplots(figsize=(5, 2.5))
        x = np.linspace(-3, 3, 100)
        ax.plot(x, np.exp(-((x / width) ** 2)))
        return fig

    return explorers.Frames(
        draw, [0.5, 1.0, 2.0], "width", lambda v: f"A bump of width {v}"
    )


def small_decoder() -> tuple[DecoderOnly, BytePairs]:
    """Two layers of three heads, not trained, with logits far from equal."""
    text = "the cat sat on the mat and the cat ate the mouse on the mat " * 2
    pairs = BytePairs.learn(text, 270)
    torch.manual_seed(3)
    model = DecoderOnly(pairs.size, 24, 3, 2, 32, design=BLOCK_TODAY)
    with torch.no_grad():
        model.readout.weight.normal_(std=0.4)
        for block in model.blocks:
            for weights in block.parameters():
                weights.add_(0.2 * torch.randn_like(weights))
    return model, pairs


def generation() -> explorers.Generation:
    return explorers.Generation(*small_decoder(), "the cat", longest=20)


def head_picker() -> explorers.HeadPicker:
    """Two layers of three heads; head 2 of layer 1 looks where it should."""
    truth = np.array([[0, 0, 1], [1, 0, 0]], bool)
    weights = np.random.default_rng(0).dirichlet(np.ones(3), (2, 3, 2))
    weights[0, 1] = truth
    one = {
        "label": "forty-three",
        "source": ["drei", "und", "vierzig"],
        "target": ["4", "3"],
        "weights": weights,
        "truth": truth,
    }
    tokens = ["null", "fünf", "ein", "und", "zwanzig", "sieben", "neunzig"]
    long = {
        "source": tokens * 3,
        "target": list("052197121205"),
        "weights": np.full((2, 3, 12, 21), 1 / 21),
    }
    worth = [[0.02, 0.9, -0.004], [0.3, 0.1, 0.05]]
    return explorers.HeadPicker(
        [one, long],
        worth,
        ["encoder", "decoder"],
        "lost without it",
    )


def mask_painter() -> explorers.MaskPainter:
    """Causal; the same word stands at two places."""
    words = ["the", "cat", "chased", "the", "mouse"]
    scores = np.random.default_rng(3).normal(size=(5, 5))
    return explorers.MaskPainter(scores, words, words, np.tri(5) > 0)


def pattern_painter() -> explorers.PatternPainter:
    return explorers.PatternPainter(tokens=12, window=3, layers=3)


def ring_walk() -> explorers.RingWalk:
    """Four ranks, contiguous and causal, in the middle of the ring."""
    return explorers.RingWalk(4, "contiguous", True, step=2, rank=3)


def rotary_dial() -> explorers.RotaryDial:
    return explorers.RotaryDial(
        [1.0, 0.4, 0.9, -0.3, 0.8, 0.6], [0.7, 0.8, 1.0, 0.2, 0.5, 0.9]
    )


def scaled_scores() -> explorers.ScaledScores:
    query, key = np.random.default_rng(0).normal(size=(2, 4, 64))
    return explorers.ScaledScores(query, key, ["the", "cat", "sat", "down"])


def score_window() -> explorers.ScoreWindow:
    """Three steps of two score functions; "und" stands at two places."""
    dot, general = 2 * np.random.default_rng(4).normal(size=(2, 3, 6))
    return explorers.ScoreWindow(
        {"dot": dot, "general": general},
        ["ein", "und", "zwanzig", "drei", "und", "vierzig"],
        ["2", "1", "4"],
        np.array([[0, 0, 1, 0, 0, 0], [1, 0, 0, 0, 0, 0], [0] * 6], bool),
        centres=[1.7, 0.2, 6.0],
    )


def soft_lookup() -> explorers.SoftLookup:
    return explorers.SoftLookup(
        keys=[[0.9, 0.8], [-0.7, 0.85], [0.2, -0.9], [-0.9, -0.3]],
        values=[3, 7.5, -1, 4],
        labels=["economy", "history", "bread", "learning"],
        query=(0.8, 0.7),
    )


def softmax_dial() -> explorers.SoftmaxDial:
    return explorers.SoftmaxDial([2.0, 1.0, 0.0], ["cat", "mouse", "the"])


def tile_walk() -> explorers.TileWalk:
    """Eight tokens, causal, in tiles of 3 × 2: no whole number of them."""
    rng = np.random.default_rng(5)
    scores = rng.normal(scale=1.5, size=(8, 8))
    return explorers.TileWalk(
        scores, rng.normal(size=(8, 2)), None, 3, 2, "causal", 3, step=5, row=6
    )


def wavelengths() -> explorers.Wavelengths:
    return explorers.Wavelengths(d_model=32, length=64)


SAMPLES: dict[str, Callable[[], Explorer]] = {
    "AlignmentScrubber": alignment_scrubber,
    "BlockWalk": block_walk,
    "CacheMeter": cache_meter,
    "Frames": frames,
    "Generation": generation,
    "HeadPicker": head_picker,
    "MaskPainter": mask_painter,
    "PatternPainter": pattern_painter,
    "RingWalk": ring_walk,
    "RotaryDial": rotary_dial,
    "ScaledScores": scaled_scores,
    "ScoreWindow": score_window,
    "SoftLookup": soft_lookup,
    "SoftmaxDial": softmax_dial,
    "TileWalk": tile_walk,
    "Wavelengths": wavelengths,
}


def one_of_each() -> list[Explorer]:
    """A new sample of every explorer."""
    return [make() for make in SAMPLES.values()]
