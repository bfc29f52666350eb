"""Every head of a trained model: pick one, see what it attends to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from attnbook.explorers.kit.sentences import as_sentences


class HeadPicker(Explorer):
    """Pick a layer and a head; its weights, entropy and worth are shown.

    Parameters
    ----------
    sentences : a list of dictionaries, one a sentence, with
        ``label``, a string (by default the source);
        ``source``, S tokens; ``target``, T tokens;
        ``weights``, (L, H, T, S), or (H, T, S) for one layer, each row a
        distribution over the source, or all zero;
        ``truth``, (T, S) of bool, the true alignment, or None.
    importance : (L, H), or (H,) for one layer: what each head is worth
    importance_label : what the importance is, in words
    layer_names : L strings; by default "layer 1", "layer 2", …

    ``sentence``, ``layer`` and ``head`` (from 0) follow what the reader
    does.

    Raises
    ------
    ValueError
        If there is no sentence, a key is missing, or a shape does not fit.
    """

    _esm = Path(__file__).with_name("built.mjs")

    sentences = traitlets.List().tag(sync=True)
    importance = traitlets.List(allow_none=True).tag(sync=True)
    importance_label = traitlets.Unicode().tag(sync=True)
    layer_names = traitlets.List().tag(sync=True)
    sentence = traitlets.Int(0).tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)
    head = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        sentences: Sequence[Mapping],
        importance: np.ndarray | None = None,
        layer_names: Sequence[str] | None = None,
        importance_label: str = "importance",
        layer: int = 0,
        head: int = 0,
    ) -> None:
        checked = as_sentences(sentences, ("L", "H"), digits=3)
        sizes = [np.shape(one["weights"])[:2] for one in checked]
        if len(set(sizes)) > 1:
            raise ValueError(
                "all sentences must have the same layers and heads, got "
                f"weights of {', '.join(map(str, sizes))} layers and heads. "
                "Take them from one model."
            )
        layers, heads = sizes[0]
        if importance is not None:
            if np.ndim(plain(importance)) == 1:
                importance = [importance]  # (1, H)
            importance = as_array("importance", importance, (layers, heads))
        for name, place, count in [
            ("layer", layer, layers),
            ("head", head, heads),
        ]:
            if not 0 <= place < count:
                raise ValueError(
                    f"{name} must lie between 0 and {count - 1}, got "
                    f"{place}. The first is 0."
                )
        if layer_names is None:
            layer_names = [f"layer {n + 1}" for n in range(layers)]
        super().__init__(
            sentences=checked,
            importance=None if importance is None else rounded(importance, 4),
            importance_label=str(importance_label),
            layer_names=as_labels(
                "layer_names", layer_names, layers, "layers"
            ),
            layer=int(layer),
            head=int(head),
        )

    def __repr__(self) -> str:
        layers, heads = np.shape(self.sentences[0]["weights"])[:2]
        labels = ", ".join(sentence["label"] for sentence in self.sentences)
        return (
            f"HeadPicker: {layers} x {heads} heads, their weights on {labels}"
        )
