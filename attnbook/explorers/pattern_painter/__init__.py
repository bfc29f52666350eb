"""A sparse attention pattern to pick and to paint, with what it costs."""

from __future__ import annotations

import math
from pathlib import Path

import traitlets

from attnbook.explorers.kit.explorer import Explorer, as_whole

PATTERNS = {
    "full": "full causal",
    "window": "window",
    "dilated": "dilated window",
    "strided": "window and stride",
    "global": "window and global tokens",
    "blocks": "blocks",
    "sinks": "window and sinks",
}
TOKENS = (4, 20)
MOST_LAYERS = 8
MOST_DILATION, MOST_GLOBAL, MOST_SINKS = 8, 4, 4
MOST_BLOCK, MOST_NEAR = 8, 4


class PatternPainter(Explorer):
    """Pick an attention pattern, paint over it, and see what it costs.

    A grid shows which query (row) reads which key (column), and which keys
    it reaches through several layers of the same pattern. Beside it: the
    pairs that are read, the keys that a cache must hold, and how many tokens
    can change the chosen one after 1 to 8 layers.

    Parameters
    ----------
    tokens : n, from 4 to 20
    pattern : "full", "window", "dilated", "strided", "global", "blocks" or
        "sinks"
    window : W, the nearest keys, the query's own among them, in all
        patterns but "full" and "blocks"
    dilation : of "dilated", the step from one key to the next, up to 8
    stride : of "strided"; by default √n, rounded down
    global_tokens : of "global", how many, evenly spread, up to 4
    block : of "blocks", tokens in a block, up to 8
    near : of "blocks", how many blocks a token reads besides the first one,
        its own among them, up to 4
    sinks : of "sinks", how many first tokens stay, up to 4
    layers : through which the grid looks, from 1 to 8
    token : whose reach is counted, from 1 to n; by default the last

    All of them follow what the reader does, and so does ``painted``: the
    cells that the reader has changed, each as [query, key, read or not],
    counted from 0.

    Raises
    ------
    ValueError
        If the pattern is none of these, or a number is no whole number of
        its range.
    """

    _esm = Path(__file__).with_name("built.mjs")

    tokens = traitlets.Int().tag(sync=True)
    pattern = traitlets.Unicode().tag(sync=True)
    window = traitlets.Int().tag(sync=True)
    dilation = traitlets.Int().tag(sync=True)
    stride = traitlets.Int().tag(sync=True)
    global_tokens = traitlets.Int().tag(sync=True)
    block = traitlets.Int().tag(sync=True)
    near = traitlets.Int().tag(sync=True)
    sinks = traitlets.Int().tag(sync=True)
    layers = traitlets.Int().tag(sync=True)
    token = traitlets.Int().tag(sync=True)
    painted = traitlets.List().tag(sync=True)

    def __init__(
        self,
        tokens: int = 16,
        pattern: str = "window",
        window: int = 4,
        dilation: int = 2,
        stride: int | None = None,
        global_tokens: int = 1,
        block: int = 4,
        near: int = 1,
        sinks: int = 1,
        layers: int = 2,
        token: int | None = None,
    ) -> None:
        if pattern not in PATTERNS:
            raise ValueError(
                f"pattern must be one of {', '.join(PATTERNS)}, got "
                f"{pattern!r}. The reader can paint any other over one of "
                "these."
            )
        n = as_whole("tokens", tokens, *TOKENS)
        stride = math.isqrt(n) if stride is None else stride
        super().__init__(
            tokens=n,
            pattern=pattern,
            window=as_whole("window", window, 1, n),
            dilation=as_whole("dilation", dilation, 1, MOST_DILATION),
            stride=as_whole("stride", stride, 1, n),
            global_tokens=as_whole(
                "global_tokens", global_tokens, 0, MOST_GLOBAL
            ),
            block=as_whole("block", block, 1, MOST_BLOCK),
            near=as_whole("near", near, 1, MOST_NEAR),
            sinks=as_whole("sinks", sinks, 0, MOST_SINKS),
            layers=as_whole("layers", layers, 1, MOST_LAYERS),
            token=as_whole("token", n if token is None else token, 1, n),
        )

    def __repr__(self) -> str:
        return (
            f"PatternPainter: the pattern “{PATTERNS[self.pattern]}” over "
            f"{self.tokens} tokens, to be painted; work, memory and reach "
            "by depth"
        )
