"""The two tasks of the course: numbers in words and telephone numbers."""

from numbers import Integral

import numpy as np

from attnbook.data.batch import Example, padded_batch
from attnbook.data.chunks import ChunkTable
from attnbook.data.grammar import BLANK
from attnbook.data.languages import LANGUAGES
from attnbook.data.spelling import (
    LARGEST,
    check_digits,
    check_level,
    check_number,
    spell,
    spell_digits,
)
from attnbook.data.splits import SPLITS, held_out
from attnbook.data.vocabulary import Vocabulary


class Task:
    """Words in, digits out, with the true alignment.

    Made by `numbers_in_words` and `telephone_numbers`.

    language, level    as asked for
    source_vocabulary  Vocabulary of morphemes or characters
    target_vocabulary  Vocabulary of the ten digits
    splits             the splits this task has, of "train", "held-out" and
                       "longer"; no digit string is in two of them
    lengths            lengths of each split, a dict of ranges
    unit               what a length counts: "pairs" or "digits"
    """

    name: str
    unit: str

    def __init__(self, language, level, spellings, lengths):
        self.language = language
        self.level = level
        self.lengths = lengths
        self.splits = tuple(name for name in SPLITS if name in lengths)
        blank = [BLANK.text] if level == "character" else []
        tokens = [t for item in spellings for t in item.at(level)[0]]
        self.source_vocabulary = Vocabulary(tokens + blank)
        self.target_vocabulary = Vocabulary("0123456789")
        self._table = ChunkTable(
            spellings, level, self.source_vocabulary, self.target_vocabulary
        )

    def __repr__(self):
        ranges = ", ".join(
            f"{name} {self._span(name)}" for name in self.splits
        )
        return (
            f"{self.name}({LANGUAGES[self.language]}, {self.level} level; "
            f"{self.unit}: {ranges})"
        )

    def sample(self, batch_size, rng, split="train", length=None):
        """Draw a Batch at random, with replacement.

        batch_size  examples, 1 or more
        rng         np.random.Generator; the same state gives the same batch
        split       one of `splits`
        length      pairs or digits of every example; None for a mixture:
                    each length of a telephone number equally often, each
                    number in words equally often

        Raises ValueError for an empty batch, an unknown split or a length
        that the split does not have.
        """
        if not isinstance(rng, np.random.Generator):
            raise TypeError(
                "rng must be a numpy random generator, got "
                f"{type(rng).__name__}: pass np.random.default_rng(0)"
            )
        self._check_draw(batch_size, "batch_size", split, length)
        return self._table.batch(*self._draw(batch_size, rng, split, length))

    def examples(self, count, split, length=None, seed=0):
        """Draw Examples at random, with replacement; see `sample`.

        Returns a list of `count` Examples: those of the Batch that `sample`
        draws with np.random.default_rng(seed).
        """
        self._check_draw(count, "count", split, length)
        rng = np.random.default_rng(seed)
        chunks, counts, _ = self._draw(count, rng, split, length)
        return [
            self.example(self._digits(row[:used]))
            for row, used in zip(chunks, counts, strict=True)
        ]

    def example(self, digits):
        """Return the Example of one digit string, whatever its split.

        Raises ValueError for a string that the task does not have.
        """
        spelling = self._spelling(digits)
        source, alignment = spelling.at(self.level)
        length = self._length(spelling.digits)
        return Example(source, spelling.digits, alignment, length)

    def collate(self, examples):
        """Pad Examples to a Batch.

        Raises ValueError for an empty list.
        """
        examples = list(examples)
        if not examples:
            raise ValueError(
                "examples must hold at least one Example, got none: a batch "
                "cannot be empty"
            )
        B = len(examples)
        widths = np.array([len(item.source) for item in examples])
        counts = np.array([len(item.target) for item in examples])
        source = np.zeros((B, widths.max()), np.int64)
        digits = np.zeros((B, counts.max()), np.int64)
        alignment = np.zeros((B, counts.max(), widths.max()), bool)
        for at, item in enumerate(examples):
            T, S = counts[at], widths[at]
            source[at, :S] = self.source_vocabulary.encode(item.source)
            digits[at, :T] = self.target_vocabulary.encode(item.target)
            alignment[at, :T, :S] = item.alignment
        length = [item.length for item in examples]
        return padded_batch(source, widths, digits, counts, alignment, length)

    def _check_draw(self, count, name, split, length):
        if isinstance(count, bool) or not isinstance(count, Integral):
            raise TypeError(f"{name} must be a whole number, got {count!r}")
        if count < 1:
            raise ValueError(
                f"{name} must be 1 or more, got {count}: a batch cannot be "
                "empty"
            )
        if split not in self.splits:
            raise ValueError(
                f"unknown split {split!r}: expected one of {self.splits}"
            )
        if length is not None and length not in self.lengths[split]:
            spans = ", ".join(
                f"{self._span(name)} in '{name}'" for name in self.splits
            )
            raise ValueError(
                f"length {length!r} is outside the split '{split}': this "
                f"task has {self.unit} {spans}"
            )

    def _span(self, split):
        lengths = self.lengths[split]
        return f"{lengths[0]} to {lengths[-1]}"


class TelephoneNumbers(Task):
    """Telephone numbers, read in pairs; see `telephone_numbers`."""

    name = "TelephoneNumbers"
    unit = "pairs"

    def __init__(self, language, level, pairs, longer):
        lengths = {"train": pairs, "held-out": pairs}
        if longer is not None:
            lengths["longer"] = longer
        chunks = [spell_digits(f"{at:02}", language) for at in range(100)]
        super().__init__(language, level, chunks, lengths)

    def _draw(self, count, rng, split, length):
        choices = self.lengths[split]
        if length is None:
            lengths = rng.integers(choices[0], choices[-1] + 1, count)
        else:
            lengths = np.full(count, int(length))
        pairs = np.zeros((count, lengths.max()), np.int64)
        left = np.arange(count)
        while len(left):
            drawn = rng.integers(0, 100, (len(left), pairs.shape[1]))
            pairs[left] = drawn
            left = left[~self._belongs(drawn, lengths[left], split)]
        return pairs, lengths, lengths

    @staticmethod
    def _belongs(pairs, lengths, split):
        if split == "longer":
            return np.ones(len(pairs), bool)
        digits = np.stack(np.divmod(pairs, 10), -1)  # (N, P, 2)
        digits = digits.reshape(len(pairs), -1)  # (N, 2 P)
        return held_out(digits, 2 * lengths) == (split == "held-out")

    def _digits(self, chunks):
        return "".join(f"{pair:02}" for pair in chunks)

    def _spelling(self, digits):
        check_digits(digits)
        if not any(len(digits) // 2 in span for span in self.lengths.values()):
            spans = ", ".join(map(self._span, self.splits))
            raise ValueError(
                f"{digits!r} has {len(digits) // 2} pairs, outside this "
                f"task's {spans}"
            )
        return spell_digits(digits, self.language)

    @staticmethod
    def _length(digits):
        return len(digits) // 2


class NumbersInWords(Task):
    """Numbers in words; see `numbers_in_words`."""

    name = "NumbersInWords"
    unit = "digits"

    def __init__(self, language, level, low, high):
        longest = len(str(high))
        lengths = {
            name: range(len(str(low)), longest + 1)
            for name in ("train", "held-out")
        }
        numbers = list(range(low, high + 1))
        if longest < len(str(LARGEST)):
            lengths["longer"] = range(longest + 1, len(str(LARGEST)) + 1)
            numbers += range(10**longest, LARGEST + 1)
        chunks = [spell(number, language) for number in numbers]
        super().__init__(language, level, chunks, lengths)
        self._numbers = np.array(numbers)
        self._known = frozenset(map(str, numbers))
        self._range = f"{low} to {high}"
        if "longer" in lengths:
            self._range += f" or {10**longest} to {LARGEST}"
        counts = self._table.heights
        out = held_out(_digit_rows(numbers), counts)
        split = np.where(out, "held-out", "train")
        self._split = np.where(counts > longest, "longer", split)

    def _draw(self, count, rng, split, length):
        belongs = self._split == split
        if length is not None:
            belongs &= self._table.heights == length
        chunks = np.flatnonzero(belongs)
        if not len(chunks):
            of_length = "" if length is None else f" of {length} digits"
            raise ValueError(
                f"the split '{split}' holds no number{of_length} here: widen "
                "the range from low to high"
            )
        chunks = chunks[rng.integers(0, len(chunks), count)]
        one_each = np.ones(count, np.int64)
        return chunks[:, None], one_each, self._table.heights[chunks]

    def _digits(self, chunks):
        return str(self._numbers[chunks[0]])

    def _spelling(self, digits):
        if not isinstance(digits, str) or digits not in self._known:
            raise ValueError(
                f"{digits!r} is no number of this task: expected a string "
                f"of digits without leading zeros, {self._range}"
            )
        return spell(int(digits), self.language)

    @staticmethod
    def _length(digits):
        return len(digits)


def numbers_in_words(language="de", level="morpheme", low=0, high=LARGEST):
    """The task of turning a number in words into its digits.

    Trained on the numbers from low to high, but a tenth of them held out.
    Where high has fewer than four digits, the numbers with more digits, up to
    9,999, are the split "longer".

    Returns a Task whose lengths count digits.
    Raises ValueError for an unknown language or level, or a range that
    cannot be spelled: below 0, above 9,999, or low above high.
    """
    check_level(level)
    low, high = check_number(low, "low"), check_number(high, "high")
    if low > high:
        raise ValueError(
            f"low must not be above high, got low={low} and high={high}: "
            "swap them"
        )
    return NumbersInWords(language, level, low, high)


def telephone_numbers(
    language="de", level="morpheme", pairs=(1, 8), longer=(9, 12)
):
    """The task of writing down a telephone number read out in pairs.

    pairs   fewest and most pairs to train on; a tenth of the numbers of each
            length is held out
    longer  fewest and most pairs of the split "longer", all above those
            trained on; None for no such split

    Returns a Task whose lengths count pairs of digits.
    Raises ValueError for an unknown language or level, or lengths that are
    not in rising order.
    """
    check_level(level)
    trained = _ascending("pairs", pairs)
    if longer is not None:
        longer = _ascending("longer", longer)
        if longer[0] <= trained[-1]:
            raise ValueError(
                f"longer must begin above the {trained[-1]} pairs trained "
                f"on, got {longer[0]}"
            )
    return TelephoneNumbers(language, level, trained, longer)


def _digit_rows(numbers):
    """Write numbers as rows of digits, (N, T), filled up at the end."""
    longest = len(str(max(numbers)))
    return np.array([list(str(n).ljust(longest, "0")) for n in numbers], int)


def _ascending(name, ends):
    """Return (fewest, most) as a range, or raise."""
    pair = isinstance(ends, tuple | list) and len(ends) == 2
    whole = pair and all(isinstance(end, Integral) for end in ends)
    if not whole or not 1 <= ends[0] <= ends[1]:
        raise ValueError(
            f"{name} must be two whole numbers (fewest, most), from 1 on and "
            f"in rising order, got {ends!r}"
        )
    return range(ends[0], ends[1] + 1)
