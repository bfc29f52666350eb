"""WordPiece, as BERT uses it without capitals: words cut into known pieces."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

UNKNOWN, PADDING, FIRST, LAST = "[UNK]", "[PAD]", "[CLS]", "[SEP]"
LONGEST_WORD = 100  # characters; a longer word is unknown as a whole

# Control and format characters, and those of private use. A code point that
# stands for nothing yet is kept, so that a newer Unicode changes little.
CONTROL = ("Cc", "Cf", "Co", "Cs")

# Signs that are written without spaces, and stand alone: first and last.
UNSPACED = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


class WordPiece:
    """Cut text into the pieces of a vocabulary, always the longest that fits.

    The greedy cut is that of Wu et al. (2016) as BERT's published code does
    it: pieces inside a word begin with `##`. Text is cleaned before: no
    control characters, no accents, no capitals. A special token that is
    *written in a text*, such as "[SEP]", is text here: three pieces.

    Args:
        vocabulary: the pieces; the place of a piece is its id.

    Raises:
        ValueError: if a piece occurs twice, or a special token is missing.
    """

    def __init__(self, vocabulary: Sequence[str]):
        self.place = {piece: i for i, piece in enumerate(vocabulary)}
        if len(self.place) != len(vocabulary):
            raise ValueError("vocabulary has a piece twice")
        for special in (UNKNOWN, PADDING, FIRST, LAST):
            if special not in self.place:
                raise ValueError(f"vocabulary has no {special}")
        self.vocabulary = list(vocabulary)

    def pieces(self, text: str) -> list[str]:
        """The pieces of a text, without the special tokens around it."""
        return [piece for word in words_of(text) for piece in self._cut(word)]

    def ids(self, text: str, longest: int | None = None) -> list[int]:
        """The ids of [CLS], the pieces and [SEP].

        Args:
            text: any text.
            longest: cut the pieces so that no more ids than this come out.

        Raises:
            ValueError: if `longest` leaves no place for the special tokens.
        """
        pieces = self.pieces(text)
        if longest is not None:
            if longest < 2:
                raise ValueError(f"longest is {longest}; expected 2 or more")
            pieces = pieces[: longest - 2]
        return [self.place[piece] for piece in (FIRST, *pieces, LAST)]

    def batch(
        self, texts: Iterable[str], longest: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Several texts in one tensor, padded behind.

        Returns:
            ids (B, S) and real (B, S), boolean, False for padding.
        """
        rows = [torch.tensor(self.ids(text, longest)) for text in texts]
        ids = torch.nn.utils.rnn.pad_sequence(
            rows, batch_first=True, padding_value=self.place[PADDING]
        )  # (B, S)
        lengths = torch.tensor([len(row) for row in rows])
        return ids, torch.arange(ids.shape[1]) < lengths[:, None]

    def _cut(self, word: str) -> list[str]:
        """The pieces of one word, or the unknown token."""
        if len(word) > LONGEST_WORD:
            return [UNKNOWN]
        pieces, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = ("##" if start else "") + word[start:end]
                if piece in self.place:
                    break
            else:
                return [UNKNOWN]
            pieces.append(piece)
            start = end
        return pieces


def words_of(text: str) -> list[str]:
    """Clean a text, and cut it at spaces and around punctuation."""
    kept = "".join(_cleaned(sign) for sign in text)
    bare = (
        sign
        for sign in unicodedata.normalize("NFD", kept)
        if unicodedata.category(sign) != "Mn"  # an accent
    )
    # Sign by sign: `lower` of a whole word knows the final sigma.
    lower = "".join(sign.lower() for sign in bare)
    return "".join(
        f" {sign} " if _is_punctuation(sign) else sign for sign in lower
    ).split()


def _cleaned(sign: str) -> str:
    """A sign, a space for it, or nothing."""
    if sign in "\t\n\r":
        return " "
    if sign == "\ufffd" or unicodedata.category(sign) in CONTROL:
        return ""
    if any(low <= ord(sign) <= high for low, high in UNSPACED):
        return f" {sign} "
    return sign


def _is_punctuation(sign: str) -> bool:
    """Whether a sign stands alone; of ASCII, all but letters and digits."""
    if sign.isascii():
        return sign.isprintable() and not sign.isalnum() and sign != " "
    return unicodedata.category(sign)[0] == "P"
