"""Byte-pair encoding: frequent pairs of tokens become tokens of their own.

Sennrich, Haddow and Birch (2016) merge letters within words; Radford et al.
(2019, section 2.2) begin with the 256 bytes, so that any text can be written
and there is no unknown token. A text is first cut into pieces (a word with the
space before it, a run of signs, a run of white space), and no token reaches
across two pieces.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

BYTES = 256
Pair = tuple[int, int]
_PIECE = re.compile(r" ?\w+| ?[^\w\s]+|\s+(?= \S)|\s+")


def pieces(text: str) -> list[str]:
    """Cut a text into pieces that no token crosses; joined they are it."""
    return _PIECE.findall(text)


def merge(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    """Replace each occurrence of a pair, from left to right, by a new id."""
    merged, at = [], 0
    while at < len(ids):
        if tuple(ids[at : at + 2]) == pair:
            merged.append(new)
            at += 2
        else:
            merged.append(ids[at])
            at += 1
    return merged


class BytePairs:
    """A tokenizer: ids 0 to 255 are the bytes, 256 and above are merges.

    Args:
        merges: pairs of ids, in the order in which they were learnt; the pair
            at i becomes the id 256 + i, and is made of smaller ids.

    merges  as given
    size    number of ids

    Raises:
        ValueError: for a pair that is made of ids not yet defined, or that
            occurs twice.
    """

    def __init__(self, merges: Sequence[Pair]):
        self.merges = [tuple(map(int, pair)) for pair in merges]
        self._bytes = [bytes([value]) for value in range(BYTES)]
        for pair in self.merges:
            if len(pair) != 2 or not all(
                0 <= part < len(self._bytes) for part in pair
            ):
                raise ValueError(
                    f"merge {len(self._bytes) - BYTES} is {pair}; expected "
                    f"two ids from 0 to {len(self._bytes) - 1}"
                )
            self._bytes.append(self._bytes[pair[0]] + self._bytes[pair[1]])
        self._new = {p: BYTES + at for at, p in enumerate(self.merges)}
        if len(self._new) != len(self.merges):
            raise ValueError("a pair occurs twice among the merges")
        self._known: dict[str, list[int]] = {}  # pieces encoded before

    @property
    def size(self) -> int:
        """Number of ids."""
        return len(self._bytes)

    def __repr__(self) -> str:
        return f"BytePairs({self.size} ids)"

    @classmethod
    def learn(cls, text: str, size: int) -> BytePairs:
        """Merge the most frequent pair, again and again.

        Of equally frequent pairs the one with the smaller ids is merged, so
        the same text always gives the same tokenizer. Learning ends early
        where no pair occurs twice.

        Args:
            text: to learn from.
            size: number of ids, at least 256.

        Raises:
            ValueError: for a size below 256, or a text that is not Unicode.
        """
        if size < BYTES:
            raise ValueError(f"size is {size}; expected at least {BYTES}")
        words = Counter(pieces(text))  # each is merged once, and counts often
        ids = [list(_utf8(word)) for word in words]
        times = list(words.values())
        count: Counter[Pair] = Counter()
        where = defaultdict(set)  # the words in which a pair occurs
        for word, n in enumerate(times):
            for pair in pairwise(ids[word]):
                count[pair] += n
                where[pair].add(word)
        merges: list[Pair] = []
        while len(merges) < size - BYTES and count:
            best = max(count, key=lambda p: (count[p], -p[0], -p[1]))
            if count[best] < 2:
                break
            for word in where.pop(best):
                for pair in pairwise(ids[word]):
                    count[pair] -= times[word]
                ids[word] = merge(ids[word], best, BYTES + len(merges))
                for pair in pairwise(ids[word]):
                    count[pair] += times[word]
                    where[pair].add(word)
            merges.append(best)
            del count[best]
        return cls(merges)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text.

        In each piece the pair that was learnt first is merged first.

        Raises:
            ValueError: for a text with half of a surrogate pair in it, which
                is no Unicode text.
        """
        ids = []
        for piece in pieces(text):
            if piece not in self._known:
                self._known[piece] = self._merged(list(_utf8(piece)))
            ids += self._known[piece]
        return ids

    def _merged(self, ids: list[int]) -> list[int]:
        while len(ids) > 1:
            first = min(
                pairwise(ids), key=lambda p: self._new.get(p, self.size)
            )
            if first not in self._new:
                break
            ids = merge(ids, first, self._new[first])
        return ids

    def token(self, id: int) -> bytes:
        """Return the bytes of an id.

        Raises:
            ValueError: for a number that is no id.
        """
        if not 0 <= id < self.size:
            raise ValueError(f"unknown id {id}: expected 0 to {self.size - 1}")
        return self._bytes[int(id)]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of some ids; `encode` backwards.

        Ids that a model has drawn need not end at the end of a character.
        Bytes that are no character become "\\ufffd".

        Raises:
            ValueError: for a number that is no id.
        """
        return b"".join(self.token(int(id)) for id in ids).decode(
            "utf-8", errors="replace"
        )


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"character {error.object[error.start]!r} is half of a surrogate "
            "pair; expected a Unicode text"
        ) from None
