"""The picture of the path on the front page: every chapter is a stop."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape

from book.chapters import Chapter

MAIN, ASIDE = 70, 104  # where the two lines stand, from the left
# How far down the next stop is, by whether the two are aside.
STEPS = {
    (False, False): 90,
    (False, True): 115,
    (True, True): 60,
    (True, False): 100,
}
FORK = 60  # from the last stop to where the line forks

LINE = "var(--pst-color-primary, #0072B2)"
TEXT = "var(--pst-color-text-base, #222)"
MUTED = "var(--pst-color-text-muted, #555)"
LINK = "var(--pst-color-link, #0072B2)"
PAPER = "var(--pst-color-background, #fff)"


@dataclass(frozen=True)
class Stop:
    """A chapter and its place in the picture."""

    chapter: Chapter
    title: str
    y: int

    @property
    def x(self) -> int:
        """From the left: on the main line or aside."""
        return ASIDE if self.chapter.aside else MAIN


def path_picture(chapters: list[Chapter], root: Path) -> str:
    """The picture, as a block of raw HTML for MyST."""
    stops = _stops(chapters, root)
    years = [c.year for c in chapters if c.year]
    span = f" from {min(years)} to {max(years)}" if years else ""
    forks = [
        (before, after)
        for before, after in pairwise(stops)
        if after.chapter.aside and not before.chapter.aside
    ]
    dots = [
        f'<circle cx="{MAIN}" cy="{before.y + FORK}" r="5" fill="{LINE}"/>'
        for before, _ in forks
    ]
    lines = [
        "```{raw} html",
        f'<svg class="path" viewBox="0 0 420 {stops[-1].y + 45}" '
        'role="group" aria-labelledby="path-title path-text">',
        f'<title id="path-title">The line{span}, chapter by chapter</title>',
        f'<desc id="path-text">{escape(_in_words(stops))}</desc>',
        f'<g fill="none" stroke="{LINE}" stroke-width="4" '
        'stroke-linecap="round">',
        *_lines(stops),
        "</g>",
        f'<g fill="{MUTED}" font-family="inherit" font-size="15" '
        'text-anchor="end">',
        *_years(stops),
        "</g>",
        *dots,
        '<g font-family="inherit">',
        *map(_stop, stops),
        "</g>",
        "</svg>",
        "```",
    ]
    return "\n".join(lines)


def _stops(chapters: list[Chapter], root: Path) -> list[Stop]:
    stops: list[Stop] = []
    for chapter in chapters:
        y = 35
        if stops:
            last = stops[-1]
            y = last.y + STEPS[last.chapter.aside, chapter.aside]
        stops.append(Stop(chapter, chapter.opening(root).title, y))
    return stops


def _lines(stops: list[Stop]) -> list[str]:
    """The line through all stops, and a thin one where it goes aside."""
    drawn, thin, fork = f"M{stops[0].x} {stops[0].y}", [], None
    for before, after in pairwise(stops):
        if before.x == after.x:
            drawn += f" V {after.y}"
            continue
        start = before.y + (FORK if after.chapter.aside else 0)
        if start > before.y:
            drawn += f" V {start}"
        half = (start + after.y) // 2
        drawn += f" C {before.x} {half}, {after.x} {half}, {after.x} {after.y}"
        if after.chapter.aside:
            fork = start
        elif fork is not None:
            thin.append(
                f'<path d="M{MAIN} {fork} V {after.y}" stroke-width="1.5" '
                'stroke-dasharray="2 7"/>'
            )
    return [f'<path d="{drawn}"/>', *thin]


def _years(stops: list[Stop]) -> list[str]:
    """Each year once, at its first stop, or where the line forks for it."""
    lines, told = [], set()
    for before, stop in zip([None, *stops], stops, strict=False):
        year = stop.chapter.year
        if year is None or year in told:
            continue
        told.add(year)
        forks = before and stop.chapter.aside and not before.chapter.aside
        y = before.y + FORK + 5 if forks else stop.y + 6
        lines.append(f'<text x="{MAIN - 23}" y="{y}">{year}</text>')
    return lines


def _stop(stop: Stop) -> str:
    number = stop.chapter.number
    title, said = (
        escape(text, {'"': "&quot;"})
        for text in (stop.title, stop.chapter.stop)
    )
    right = stop.x + 28
    return (
        f'<a href="chapters/{stop.chapter.name}.html" '
        f'aria-label="{number} {title}: {said}">'
        f'<circle cx="{stop.x}" cy="{stop.y}" r="15" fill="{PAPER}" '
        f'stroke="{LINE}" stroke-width="3"/>'
        f'<text x="{stop.x}" y="{stop.y + 5}" text-anchor="middle" '
        f'font-size="14" font-weight="600" fill="{TEXT}">{number}</text>\n'
        f'<text x="{right}" y="{stop.y - 3}" font-size="17" '
        f'font-weight="600" fill="{LINK}">{title}</text>'
        f'<text x="{right}" y="{stop.y + 16}" font-size="14" '
        f'fill="{TEXT}">{said}</text></a>'
    )


def _in_words(stops: list[Stop]) -> str:
    """What the picture shows, for who does not see it."""
    said, told = "A line runs down the years", set()
    for before, stop in zip([None, *stops], stops, strict=False):
        aside = stop.chapter.aside
        if before is None:
            said += ": "
        elif before.chapter.aside == aside:
            said += ", "
        else:
            said += ". It goes aside to " if aside else ", and comes back at "
        said += stop.title
        if stop.chapter.year and stop.chapter.year not in told:
            told.add(stop.chapter.year)
            said += f" ({stop.chapter.year})"
    return f"{said}."
