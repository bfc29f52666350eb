"""What lists the chapters elsewhere, made from `chapters.toml`.

The table of contents, the table of the README, the path and the table of the
front page: each stands between two marks in its file, and is written by::

    python -m book.contents            # rewrite what differs
    python -m book.contents --check    # change nothing, only compare
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from book.address import declared
from book.chapters import ROOT, Chapter, ChapterError, listed, missing
from book.path_picture import path_picture

BEGIN = "chapters: made by `make chapters`, change chapters.toml instead"
END = "end of the chapters"


def table_of_contents(chapters: list[Chapter], root: Path) -> str:
    """The parts with chapters in Jupyter Book's ``_toc.yml``."""
    lines = []
    for part, group in groupby(chapters, key=lambda chapter: chapter.part):
        lines += [f"  - caption: {part}", "    chapters:"]
        for chapter in group:
            title = chapter.opening(root).title
            lines += [
                f"      - file: chapters/{chapter.name}",
                f'        title: "{chapter.number} {title}"',
                "        sections:",
            ]
            for folder in ("exercises", "solutions"):
                lines += [
                    f"          - file: {folder}/{chapter.name}",
                    f"            title: {folder.capitalize()}",
                ]
    return "\n".join(lines)


def readme_table(chapters: list[Chapter], root: Path) -> str:
    """The chapters with what one builds, measures, and can open in Colab."""
    address = declared(root)
    head = ["chapter", "you build", "you measure", "read", "do"]
    rows = []
    for chapter in chapters:
        read, do = (
            address.colab(f"{folder}/{chapter.name}.ipynb")
            for folder in ("chapters", "exercises")
        )
        rows.append(
            [
                f"{chapter.number} {chapter.opening(root).title}",
                chapter.build,
                chapter.measure,
                f"[Colab]({read})",
                f"[exercises]({do})",
            ]
        )
    return as_table(head, rows)


def front_page(chapters: list[Chapter], root: Path) -> str:
    """The picture of the path, and the chapters with their questions."""
    head = [
        "chapter",
        "the question it answers",
        "you can do afterwards",
        "needs",
        "minutes",
    ]
    rows = []
    for chapter in chapters:
        opening = chapter.opening(root)
        title = f"{chapter.number} {opening.title}"
        rows.append(
            [
                f"[{title}](chapters/{chapter.name}.ipynb)",
                opening.question,
                chapter.afterwards,
                ", ".join(opening.needs) or "–",
                str(opening.minutes),
            ]
        )
    return f"{path_picture(chapters, root)}\n\n{as_table(head, rows)}"


def as_table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    lines.insert(1, "|---" * len(head) + "|")
    return "\n".join(lines)


# The file, how it writes a comment, and what is made for it.
MADE: list[tuple[str, str, Callable[[list[Chapter], Path], str]]] = [
    ("_toc.yml", "  # {}\n{}\n  # {}", table_of_contents),
    ("README.md", "<!-- {} -->\n\n{}\n\n<!-- {} -->", readme_table),
    ("intro.md", "<!-- {} -->\n\n{}\n\n<!-- {} -->", front_page),
]


def wanted(root: Path = ROOT) -> dict[Path, str]:
    """The text that each file should have.

    Raises:
        ChapterError: an entry, a notebook or a mark is not as it should be.
    """
    chapters = listed(root)
    if problems := missing(root):
        raise ChapterError("\n".join(problems))
    texts = {}
    for name, form, make in MADE:
        path = root / name
        made = form.format(BEGIN, make(chapters, root), END)
        before, end = (
            re.escape(part)
            for part in form.format(BEGIN, "\0", END).split("\0")
        )
        text, found = re.subn(
            f"{before}.*{end}",
            lambda _, made=made: made,
            path.read_text("utf-8"),
            flags=re.DOTALL,
        )
        if found != 1:
            raise ChapterError(
                f"{name}: expected the chapters between “{BEGIN}” and "
                f"“{END}”, found no such place: put both comments back"
            )
        texts[path] = text
    return texts


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """The command; with ``--check`` its status is 1 where a file differs."""
    parser = argparse.ArgumentParser(
        prog="python -m book.contents", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args(arguments)
    try:
        texts = wanted(root)
    except ChapterError as problem:
        print(problem, file=sys.stderr)
        return 2
    differing = [
        path for path, text in texts.items() if path.read_text("utf-8") != text
    ]
    for path in differing:
        name = path.relative_to(root)
        if chosen.check:
            print(f"{name}: not what chapters.toml and the notebooks make")
        else:
            path.write_text(texts[path], "utf-8")
            print(f"wrote {name}")
    if chosen.check and differing:
        print("run `make chapters`")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
