"""Tables of results: HTML where it can be shown, aligned text elsewhere.

A notebook's committed output is the text, which nbval compares; a page,
Jupyter and Colab show the HTML. Its colours are the book's variables where
there are any, else those of the text around it, so it fits light and dark.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import NamedTuple

import numpy as np

from attnbook.plots.numbers import as_numbers

NOTHING = "–"
STYLE = """\
div.attn-table table{border:0;border-collapse:collapse;margin:0;width:auto;\
table-layout:auto;color:inherit;font-size:.86rem;line-height:1.45;\
font-variant-numeric:tabular-nums}
div.attn-table caption{caption-side:top;padding:0 0 .35rem;color:inherit;\
text-align:left}
div.attn-table caption span{display:inline-block;position:sticky;left:0;\
max-width:min(100%,85vw)}
div.attn-table tr.attn-row{background:none}
div.attn-table tr.attn-row>*{padding:.25rem 1rem .25rem 0;border:0;\
border-bottom:1px solid var(--pst-color-border-muted,#8884);\
background:var(--pst-color-background,var(--jp-layout-color0,inherit));\
text-align:right;vertical-align:baseline;white-space:nowrap}
div.attn-table tr.attn-row>.words{text-align:left;white-space:normal}
div.attn-table thead tr.attn-row>*{border-bottom:1.5px solid \
var(--pst-color-text-muted,#888);font-weight:600;vertical-align:bottom;\
white-space:normal}
div.attn-table tr.attn-row>:first-child{position:sticky;left:0}
div.attn-table tbody th{font-weight:400}
div.attn-table small{color:var(--pst-color-text-muted,inherit);font-size:.9em}
div.attn-stacked small{display:block}
@media(max-width:600px){div.attn-table table{font-size:.8rem}
div.attn-table small{display:block}
div.attn-table tr.attn-row>*{padding-right:.6rem}}"""


class _Cell(NamedTuple):
    value: float | None  # what is compared with the others, if anything
    text: str
    spread: str = ""  # the range over the seeds


class Table:
    """Results in rows and columns, with the best of them marked.

    A cell holds words, a number, `None` where nothing was measured, or
    several numbers, one for each seed: these are shown as their mean
    [least, greatest].

    Args:
        columns: the heading of each column, with its unit, and the format
            of its numbers, such as ".2f" (or "" for words); as pairs, where
            two headings are alike.
        rows: for each row one cell for each column.
        caption: what was measured, in one line.
        best: `max` or `min`, to mark the best number of each row; or the
            headings of columns, each with `max` or `min`.
        labels: how many columns at the left name the row.

    Raises:
        ValueError: if a row has not one cell for each column, or `best`
            names no column.
    """

    def __init__(
        self,
        columns: Mapping[str, str] | Iterable[tuple[str, str]],
        rows: Iterable[Sequence[object]],
        caption: str = "",
        best: Callable | Mapping[str, Callable] | None = None,
        labels: int = 1,
    ):
        pairs = columns.items() if isinstance(columns, Mapping) else columns
        self.headings, specs = map(list, zip(*pairs, strict=True))
        self.caption = caption
        self.labels = labels
        self.rows = []
        for row in rows:
            row = list(row)
            if len(row) != len(specs):
                raise ValueError(
                    f"Table: the row {row} has {len(row)} cells; expected "
                    f"{len(specs)}, one for each of {self.headings}"
                )
            self.rows.append(
                [
                    _cell(value, spec)
                    for value, spec in zip(row, specs, strict=True)
                ]
            )
        self.marked = self._find_best(best)  # (row, column) of each
        self._by_row = callable(best)

    def _find_best(self, best) -> set[tuple[int, int]]:
        """The places of the best numbers; equal as shown is equally good."""
        high, wide = range(len(self.rows)), range(len(self.headings))
        if callable(best):
            lines = [
                (best, [(row, at) for at in wide[self.labels :]])
                for row in high
            ]
        else:
            unknown = set(best or {}) - set(self.headings)
            if unknown:
                raise ValueError(
                    f"Table: best names {sorted(unknown)}; expected some of "
                    f"{self.headings}"
                )
            lines = [
                (better, [(row, self.headings.index(name)) for row in high])
                for name, better in (best or {}).items()
            ]
        marked = set()
        for better, places in lines:
            cells = {at: self.rows[at[0]][at[1]] for at in places}
            cells = {at: c for at, c in cells.items() if c.value is not None}
            if len({cell.text for cell in cells.values()}) < 2:
                continue  # where all are alike, none is better
            first = better(cells.values(), key=lambda cell: cell.value)
            marked |= {at for at, c in cells.items() if c.text == first.text}
        return marked

    @property
    def _note(self) -> str:
        return f"best of each {'row' if self._by_row else 'column'}"

    def _are_words(self, column: int) -> bool:
        return all(row[column].value is None for row in self.rows)

    def __repr__(self) -> str:
        """The table as aligned text; a star marks the best."""
        columns = []
        for column, heading in enumerate(self.headings):
            star = any(at[1] == column for at in self.marked)
            cells = [heading + "  " * star]
            for place, row in enumerate(self.rows):
                text = f"{row[column].text} {row[column].spread}".rstrip()
                mark = " *" if (place, column) in self.marked else "  "
                cells.append(text + mark * star)
            width = max(map(len, cells))
            side = str.ljust if self._are_words(column) else str.rjust
            columns.append([side(cell, width) for cell in cells])
        lines = [
            "  ".join(line).rstrip() for line in zip(*columns, strict=True)
        ]
        if self.caption:
            lines.insert(0, self.caption)
        if self.marked:
            lines.append(f"* {self._note}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The table as HTML; bold marks the best."""
        words = [
            ' class="words"' * self._are_words(column)
            for column in range(len(self.headings))
        ]
        note = f"Bold: {self._note}." if self.marked else ""
        caption = ". ".join(filter(None, [self.caption, note]))
        head = "".join(
            f'<th scope="col"{kind}>{escape(heading)}</th>'
            if heading
            else "<td></td>"
            for heading, kind in zip(self.headings, words, strict=True)
        )
        body = "\n".join(
            f'<tr class="attn-row">{self._row_html(place, words)}</tr>'
            for place in range(len(self.rows))
        )
        if caption:
            caption = f"<caption><span>{escape(caption)}</span></caption>\n"
        # Where much stands in a row, a range goes under its mean.
        ranges = [sum(bool(cell.spread) for cell in row) for row in self.rows]
        wide = len(self.headings) + max(ranges, default=0) > 7
        stacked = " attn-stacked" * wide
        return (
            f'<div class="attn-table{stacked}"><style>\n{STYLE}\n</style>\n'
            f"<table>\n{caption}"
            f'<thead><tr class="attn-row">{head}</tr></thead>\n'
            f"<tbody>\n{body}\n</tbody>\n</table></div>"
        )

    def _row_html(self, place: int, words: list[str]) -> str:
        parts = []
        for column, cell in enumerate(self.rows[place]):
            text = escape(cell.text)
            if (place, column) in self.marked:
                text = f"<strong>{text}</strong>"
            if cell.spread:
                text += f" <small>{escape(cell.spread)}</small>"
            tag = 'th scope="row"' if column < self.labels else "td"
            parts.append(f"<{tag}{words[column]}>{text}</{tag[:2]}>")
        return "".join(parts)


def _cell(value: object, spec: str) -> _Cell:
    if value is None:
        return _Cell(None, NOTHING)
    if isinstance(value, bool | np.bool_):
        return _Cell(None, "yes" if value else "no")
    if isinstance(value, str):
        return _Cell(None, value)
    numbers = as_numbers(value).astype(float)
    if numbers.size == 0:
        return _Cell(None, NOTHING)
    if numbers.ndim == 0:
        return _Cell(numbers.item(), _written(value, spec))
    low, high = (format(end, spec) for end in (numbers.min(), numbers.max()))
    mean = numbers.mean()
    return _Cell(mean, format(mean, spec), f"[{low}, {high}]")


def _written(value: object, spec: str) -> str:
    """A single number in its format; a tensor's item is a plain number."""
    return format(value.item() if hasattr(value, "item") else value, spec)
