"""Spellings laid out as arrays, so that batches are joined without a loop.

A chunk is what is spelled as a whole: a pair of a telephone number, or a
number. An example is one chunk or several, one after the other.
"""

import numpy as np

from attnbook.data.batch import padded_batch
from attnbook.data.grammar import BLANK


class ChunkTable:
    """All chunks of a task, as token numbers, digits and alignments.

    For C chunks of at most M tokens and D digits:
    source    (C, M + 1) token numbers; after the last token stands the blank
              that parts this chunk from the next (character level only)
    widths    (C,) tokens, without that blank
    digits    (C, D) token numbers
    heights   (C,) digits
    aligned   (C, D, M + 1) bool
    """

    def __init__(self, spellings, level, source_vocabulary, target_vocabulary):
        tokens, alignments = zip(
            *(spelling.at(level) for spelling in spellings), strict=True
        )
        C = len(spellings)
        self.widths = np.array([len(row) for row in tokens])
        self.heights = np.array([len(item.digits) for item in spellings])
        M, D = self.widths.max() + 1, self.heights.max()
        self.gap = int(level == "character")
        self.source = np.zeros((C, M), np.int64)
        self.digits = np.zeros((C, D), np.int64)
        self.aligned = np.zeros((C, D, M), bool)
        blank = [BLANK.text] * self.gap
        for at, row in enumerate(tokens):
            ids = source_vocabulary.encode([*row, *blank][: len(row) + 1])
            self.source[at, : len(ids)] = ids
            digits = target_vocabulary.encode(spellings[at].digits)
            self.digits[at, : len(digits)] = digits
            height, width = alignments[at].shape
            self.aligned[at, :height, :width] = alignments[at]

    def batch(self, chunks, counts, length):
        """Join chunks to a Batch.

        chunks  (B, P) chunk numbers
        counts  (B,) how many chunks of each row count
        length  (B,) the lengths to report
        """
        B, P = chunks.shape
        rows = np.arange(B)[:, None, None]  # (B, 1, 1)
        used = np.arange(P) < counts[:, None]  # (B, P)
        follows = np.arange(P) < counts[:, None] - 1  # (B, P)
        widths = (self.widths[chunks] + self.gap * follows) * used  # (B, P)
        heights = self.heights[chunks] * used  # (B, P)
        column = _places(widths, self.source.shape[1])  # (B, P, M)
        row = _places(heights, self.digits.shape[1])  # (B, P, D)
        # What does not count lands in one last column and row, cut off here.
        S, T = widths.sum(1).max(), heights.sum(1).max()
        source = np.zeros((B, S + 1), np.int64)
        source[rows, column] = self.source[chunks]
        digits = np.zeros((B, T + 1), np.int64)
        digits[rows, row] = self.digits[chunks]
        aligned = np.zeros((B, T + 1, S + 1), bool)
        aligned[rows[..., None], row[..., None], column[:, :, None]] = (
            self.aligned[chunks]
        )
        return padded_batch(
            source[:, :S],
            widths.sum(1),
            digits[:, :T],
            heights.sum(1),
            aligned[:, :T, :S],
            length,
        )


def _places(sizes, most):
    """Where each of a chunk's items goes when chunks are laid end to end.

    sizes  (B, P) items of each chunk

    Returns (B, P, most); -1 for what lies past a chunk's items.
    """
    starts = sizes.cumsum(1) - sizes  # (B, P)
    item = np.arange(most)  # (most,)
    places = starts[..., None] + item  # (B, P, most)
    return np.where(item < sizes[..., None], places, -1)
