"""Attention weights of a decoder, scrubbed step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import traitlets

from attnbook.explorers.kit.explorer import Explorer
from attnbook.explorers.kit.sentences import as_sentences


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

    _esm = Path(__file__).with_name("built.mjs")

    sentences = traitlets.List().tag(sync=True)
    sentence = traitlets.Int(0).tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)
    show_truth = traitlets.Bool(False).tag(sync=True)

    def __init__(self, sentences: Sequence[Mapping]) -> None:
        super().__init__(sentences=as_sentences(sentences))

    def __repr__(self) -> str:
        labels = ", ".join(sentence["label"] for sentence in self.sentences)
        return f"AlignmentScrubber: step through the decoding of {labels}"
