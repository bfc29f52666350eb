"""Attention weights of a decoder, scrubbed step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import traitlets

from attnbook.explorers.explorer import (
    BUILT,
    Explorer,
    as_array,
    as_labels,
    rounded,
)

KEYS = ("label", "source", "target", "weights", "truth")


class AlignmentScrubber(Explorer):
    """Decoding steps to scrub through; source tokens light up by weight.

    Parameters
    ----------
    sentences : a list of dictionaries, one a sentence, with
        ``label``, a string (by default the source);
        ``source``, S tokens; ``target``, T tokens;
        ``weights``, (T, S), each row a distribution over the source;
        ``truth``, (T, S) of bool, the true alignment, or None.

    ``sentence``, ``step`` and ``show_truth`` follow what the reader does.

    Raises
    ------
    ValueError
        If there is no sentence, a key is missing, or a shape does not fit.
    """

    _esm = BUILT / "alignment_scrubber.mjs"

    sentences = traitlets.List().tag(sync=True)
    sentence = traitlets.Int(0).tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    show_truth = traitlets.Bool(False).tag(sync=True)

    def __init__(self, sentences: Sequence[Mapping]) -> None:
        if isinstance(sentences, Mapping):
            raise ValueError(
                "sentences must be a list of dictionaries, got one "
                "dictionary. Write [sentence]."
            )
        sentences = list(sentences)
        if not sentences:
            raise ValueError(
                "sentences must hold at least one sentence, got an empty "
                "list. Pass dictionaries with the keys "
                f"{', '.join(KEYS)}."
            )
        super().__init__(
            sentences=[
                _checked(f"sentences[{i}]", sentence)
                for i, sentence in enumerate(sentences)
            ]
        )

    def __repr__(self) -> str:
        labels = ", ".join(sentence["label"] for sentence in self.sentences)
        return f"AlignmentScrubber: step through the decoding of {labels}"


def _checked(name: str, sentence: Mapping) -> dict:
    missing = {"source", "target", "weights"} - set(sentence)
    unknown = set(sentence) - set(KEYS)
    if missing or unknown:
        raise ValueError(
            f"{name} must have the keys {', '.join(KEYS)}, got "
            f"{', '.join(map(str, sentence)) or 'none'}. Add or rename them "
            "(label and truth may be left out)."
        )
    source, target = list(sentence["source"]), list(sentence["target"])
    shape = (len(target), len(source))
    weights = as_array(f"{name}['weights']", sentence["weights"], shape)
    if weights.size == 0:
        raise ValueError(
            f"{name} must have source and target tokens, got weights of "
            f"shape {shape}. Leave the sentence out."
        )
    if weights.min() < -1e-4 or weights.sum(-1).max() > 1 + 1e-3:
        raise ValueError(
            f"{name}['weights'] must be weights, at least 0 and each row "
            f"summing to 1, got a smallest entry of {weights.min():.3g} and "
            f"a largest row sum of {weights.sum(-1).max():.3g}. Pass the "
            "weights, not the scores: softmax runs over the source."
        )
    truth = sentence.get("truth")
    if truth is not None:
        truth = as_array(f"{name}['truth']", truth, shape).astype(bool)
    label = sentence.get("label") or " ".join(map(str, source))
    return {
        "label": str(label),
        "source": as_labels("source", source, len(source), "tokens"),
        "target": as_labels("target", target, len(target), "tokens"),
        "weights": rounded(np.clip(weights, 0, 1)),  # (T, S)
        "truth": None if truth is None else truth.tolist(),  # (T, S)
    }
