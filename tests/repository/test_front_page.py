"""The front page leads to every chapter, and says what each one takes."""

from __future__ import annotations

import re

import nbformat


def test_the_learning_path_links_every_chapter_in_order(root):
    path = (root / "intro.md").read_text(encoding="utf-8")
    picture = re.search(r'<svg class="path".*?</svg>', path, re.DOTALL)[0]
    linked = re.findall(r'<a href="chapters/([\w-]+)\.html"', picture)
    assert linked == sorted(
        p.stem for p in (root / "chapters").glob("*.ipynb")
    )


def test_the_minutes_of_each_chapter_are_those_it_gives_itself(root):
    table = (root / "intro.md").read_text(encoding="utf-8")
    told = dict(
        re.findall(
            r"\(chapters/([\w-]+)\.ipynb\) \|.*\| (\d+) \|$", table, re.M
        )
    )
    given = {}
    for path in sorted((root / "chapters").glob("*.ipynb")):
        title = nbformat.read(path, as_version=4).cells[0].source
        given[path.stem] = re.search(r"About (\d+) minutes", title)[1]
    assert told == given
