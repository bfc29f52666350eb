"""Sentences with attention weights, as explorers take them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from attnbook.explorers.kit.explorer import (
    as_array,
    as_labels,
    plain,
    rounded,
)

KEYS = ("label", "source", "target", "weights", "truth")


def as_sentences(
    sentences: Sequence[Mapping],
    leading: tuple[str, ...] = (),
    digits: int = 5,
) -> list[dict]:
    """Return checked sentences as plain data.

    Each is a dictionary with ``source``, S tokens; ``target``, T tokens;
    ``weights``, (*leading, T, S), rows that sum to 1 at most; and, if it
    likes, ``label``, a string, and ``truth``, (T, S) of bool or None. Where
    ``leading`` has an axis more than the weights, one of size 1 is added.

    Raises
    ------
    ValueError
        If there is no sentence, a key is missing, or a shape does not fit.
    """
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
    return [
        _checked(f"sentences[{i}]", sentence, leading, digits)
        for i, sentence in enumerate(sentences)
    ]


def _checked(
    name: str, sentence: Mapping, leading: tuple[str, ...], digits: int
) -> dict:
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
    weights = plain(sentence["weights"])
    if leading and np.ndim(weights) == len(leading) + 1:
        weights = [weights]
    weights = as_array(f"{name}['weights']", weights, (*leading, *shape))
    if weights.size == 0:
        raise ValueError(
            f"{name} must have source and target tokens, got weights of "
            f"shape {weights.shape}. Leave the sentence out."
        )
    if weights.min() < -1e-4 or weights.sum(-1).max() > 1 + 1e-3:
        raise ValueError(
            f"{name}['weights'] must be weights, at least 0 and each row "
            f"summing to 1, got a smallest entry of {weights.min():.3g} and "
            f"a largest row sum of {weights.sum(-1).max():.3g}. Pass the "
            "weights, not the scores: softmax runs over the source, and "
            "makes none negative."
        )
    truth = sentence.get("truth")
    if truth is not None:
        truth = as_array(f"{name}['truth']", truth, shape).astype(bool)
    label = sentence.get("label") or " ".join(map(str, source))
    return {
        "label": str(label),
        "source": as_labels("source", source, len(source), "tokens"),
        "target": as_labels("target", target, len(target), "tokens"),
        "weights": rounded(np.clip(weights, 0, 1), digits),
        "truth": None if truth is None else truth.tolist(),  # (T, S)
    }
