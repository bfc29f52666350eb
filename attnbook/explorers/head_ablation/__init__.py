"""A small model whose heads can be taken away, one by one or together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import traitlets

from attnbook.explorers.kit.explorer import (
    Explorer,
    as_array,
    as_labels,
    plain,
    rounded,
)

MOST_HEADS = 4


class HeadAblation(Explorer):
    """Pick a head, look at its map, and take it away.

    The figure shows the loss of every next token, with all heads and without
    those that are gone, and the maps of the heads that are left. It has a
    table of all cases, so that nothing has to be computed by the page.

    Parameters
    ----------
    tokens : T strings, what the model reads
    earlier : (H, T, T), the maps of the first layer
    later : (2^H, H, T, T), those of the second, by the set of heads that the
        first layer lacks: head h counts 2^h
    losses : (2^(2H), T), nats of each next token, by the set of all heads
        that are gone: those of the second layer count 2^(H + h)
    counted : T of bool, the tokens of which the mean is taken; by default
        all of them
    layer, head : which one is shown, from 0
    gone : pairs of a layer and a head, taken away at first

    ``layer``, ``head`` and ``gone`` follow what the reader does.

    Raises
    ------
    ValueError
        If a shape does not fit, or there is no such head.
    """

    _esm = Path(__file__).with_name("built.mjs")

    tokens = traitlets.List().tag(sync=True)
    earlier = traitlets.List().tag(sync=True)
    later = traitlets.List().tag(sync=True)
    losses = traitlets.List().tag(sync=True)
    counted = traitlets.List().tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)
    gone = traitlets.List().tag(sync=True)

    def __init__(
        self,
        tokens: Sequence[str],
        earlier: np.ndarray,
        later: np.ndarray,
        losses: np.ndarray,
        counted: Sequence[bool] | None = None,
        layer: int = 0,
        head: int = 0,
        gone: Iterable[tuple[int, int]] = (),
    ) -> None:
        H = len(earlier)
        if not 1 <= H <= MOST_HEADS:
            raise ValueError(
                f"earlier must have 1 to {MOST_HEADS} heads, got {H}. There "
                "is a case for every set of them; take a smaller model."
            )
        T = len(tokens)
        earlier = as_array("earlier", earlier, (H, T, T))
        later = as_array("later", later, (2**H, H, T, T))
        losses = as_array("losses", losses, (4**H, T))
        counted = np.asarray(
            [True] * T if counted is None else plain(counted), dtype=bool
        )
        if counted.shape != (T,) or not counted.any():
            raise ValueError(
                f"counted must have one entry for each of the {T} tokens, "
                f"one of them true, got {counted.tolist()}. Mark the tokens "
                "of which the mean is taken."
            )
        chosen = [[int(place) for place in pair] for pair in gone]
        for pair in [[layer, head], *chosen]:
            if len(pair) != 2 or not (0 <= pair[0] < 2 and 0 <= pair[1] < H):
                raise ValueError(
                    f"there is no layer and head {tuple(pair)}, expected "
                    f"layers 0 and 1 and heads 0 to {H - 1}. Both are "
                    "counted from 0."
                )
        super().__init__(
            tokens=as_labels("tokens", tokens, T, "tokens"),
            earlier=rounded(earlier, 2),
            later=rounded(later, 2),
            losses=rounded(losses, 3),
            counted=counted.tolist(),
            layer=int(layer),
            head=int(head),
            gone=chosen,
        )

    def __repr__(self) -> str:
        return (
            f"HeadAblation: 2 x {len(self.earlier)} heads to take away, "
            f"their maps over {len(self.tokens)} tokens and the loss of each"
        )
