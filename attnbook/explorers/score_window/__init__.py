"""Score functions and windows over one sentence, to choose from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import traitlets

from attnbook.explorers.kit.explorer import (
    Explorer,
    as_array,
    as_labels,
    rounded,
)

WINDOWS = ("global", "local-m", "local-p")


class ScoreWindow(Explorer):
    """The weights of one sentence by score function, window and half width.

    The windows are those of Luong et al. (2015), section 3.2, with positions
    counted from 0. Local windows take the softmax over the keys within D of
    a centre: step t itself for local-m, ``centres`` for local-p, where a
    Gaussian of standard deviation D / 2 then multiplies the weights. A row
    of local-p sums to less than 1; its entropy is taken after it has been
    brought to sum to 1.

    Parameters
    ----------
    scores : a dictionary from the name of a score function to its scores,
        (T, S), before the softmax
    source : S tokens
    target : T tokens
    truth : (T, S) of bool, the true alignment, or None
    centres : (T,), from 0 to S, the centres of local-p; or None, where that
        window is not offered
    half_width : D, whole, from 1 to S - 1, or to 2 where S is smaller
    score : one of the names; by default the first
    window : "global", "local-m" or "local-p"

    ``score``, ``window``, ``half_width`` and ``show_truth`` follow what the
    reader does.

    Raises
    ------
    ValueError
        If there are no scores, a shape does not fit, a centre or a half
        width lies outside its range, or a name is unknown.
    """

    _esm = Path(__file__).with_name("built.mjs")

    names = traitlets.List().tag(sync=True)
    scores = traitlets.List().tag(sync=True)
    source = traitlets.List().tag(sync=True)
    target = traitlets.List().tag(sync=True)
    truth = traitlets.List(allow_none=True).tag(sync=True)
    centres = traitlets.List(allow_none=True).tag(sync=True)
    widest = traitlets.Int().tag(sync=True)
    half_width = traitlets.Int(2).tag(sync=True)
    score = traitlets.Unicode().tag(sync=True)
    window = traitlets.Unicode("global").tag(sync=True)
    show_truth = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        scores: Mapping[str, np.ndarray],
        source: Sequence[str],
        target: Sequence[str],
        truth: np.ndarray | None = None,
        centres: np.ndarray | None = None,
        half_width: int = 2,
        score: str | None = None,
        window: str = "global",
    ) -> None:
        if not isinstance(scores, Mapping) or not scores:
            got = type(scores).__name__
            raise ValueError(
                "scores must be a dictionary from names to arrays of shape "
                "(T, S), got "
                f"{'an empty one' if isinstance(scores, Mapping) else got}. "
                "Write {'dot': scores}."
            )
        source, target = list(source), list(target)
        if not source or not target:
            raise ValueError(
                "source and target must hold a token each at least, got "
                f"{len(source)} and {len(target)}. Pass the tokens of the "
                "sentence."
            )
        shape = (len(target), len(source))
        names = [str(name) for name in scores]
        checked = [
            as_array(f"scores[{name!r}]", each, shape)
            for name, each in zip(names, scores.values(), strict=True)
        ]
        if truth is not None:
            truth = as_array("truth", truth, shape).astype(bool)
        if centres is not None:
            centres = as_array("centres", centres, shape[:1])
            outside = centres[(centres < 0) | (centres > shape[1])]
            if outside.size:
                raise ValueError(
                    f"centres must lie between 0 and {shape[1]}, got "
                    f"{outside[0]:g}. They count source tokens from 0."
                )
        widest = max(shape[1] - 1, 2)
        if half_width not in range(1, widest + 1):
            raise ValueError(
                f"half_width must be a whole number from 1 to {widest}, got "
                f"{half_width}. It counts source tokens to either side."
            )
        windows = WINDOWS if centres is not None else WINDOWS[:2]
        _one_of("window", window, windows, "local-p needs centres")
        score = names[0] if score is None else score
        _one_of("score", score, names, "These are the names of scores")
        super().__init__(
            names=names,
            scores=[rounded(each, 4) for each in checked],  # (T, S) each
            source=as_labels("source", source, shape[1], "tokens"),
            target=as_labels("target", target, shape[0], "tokens"),
            truth=None if truth is None else truth.tolist(),  # (T, S)
            centres=None if centres is None else rounded(centres, 3),
            widest=widest,
            half_width=int(half_width),
            score=score,
            window=window,
        )

    def __repr__(self) -> str:
        windows = WINDOWS if self.centres is not None else WINDOWS[:2]
        return (
            f"ScoreWindow: {', '.join(self.names)} over "
            f"{len(self.source)} source tokens in {len(self.target)} steps, "
            f"{', '.join(windows)}"
        )


def _one_of(name: str, value: object, options: Sequence[str], why: str):
    if value not in options:
        raise ValueError(
            f"{name} must be one of {', '.join(map(repr, options))}, got "
            f"{value!r}. {why}."
        )
