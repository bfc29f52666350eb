"""A link within the repository leads to a file, and to a place in it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import unquote

LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
ATTRIBUTE = re.compile(r"\b(?:src|href)=\"([^\"]+)\"")
ELSEWHERE = re.compile(r"^(?:[a-z][a-z0-9+.-]*:|//)")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
LABEL = re.compile(r"^\(([^)]+)\)=", re.MULTILINE)
IDENTIFIER = re.compile(r"\b(?:id|name)=\"([^\"]+)\"|\{#([\w-]+)")


def links_of(markdown: str) -> list[str]:
    found = LINK.findall(markdown) + ATTRIBUTE.findall(markdown)
    return [unquote(link) for link in found if not ELSEWHERE.match(link)]


def slug(heading: str) -> str:
    """The anchor that GitHub and MyST give to a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    text = re.sub(r"[^\w\s-]", "", text.replace("`", "").lower())
    return re.sub(r"\s", "-", text.strip())


def anchors_of(markdown: str) -> set[str]:
    """Where a link into this Markdown can lead."""
    anchors = {slug(heading) for heading in HEADING.findall(markdown)}
    anchors.update(LABEL.findall(markdown))
    for pair in IDENTIFIER.findall(markdown):
        anchors.update(name for name in pair if name)
    return anchors


def cells_of(path: Path) -> set[str]:
    """The anchors that the book gives to the cells of a chapter."""
    if path.suffix != ".ipynb":
        return set()
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return {f"cell-{cell['id']}" for cell in cells}


def broken_links(path: Path, markdown: str, anchors: dict) -> list[str]:
    broken = []
    for link in links_of(markdown):
        name, _, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        places = anchors.get(target, {anchor}) | {""}
        if not target.exists() or anchor not in places:
            broken.append(link)
    return broken


def test_every_relative_link_leads_to_a_place(documents):
    anchors = {
        document.path: anchors_of(document.markdown) | cells_of(document.path)
        for document in documents
    }
    broken = [
        f"{document.name}: {link}"
        for document in documents
        for link in broken_links(document.path, document.without_code, anchors)
    ]
    assert broken == []


def test_a_link_to_a_missing_file_or_heading_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# A title\n", encoding="utf-8")
    anchors = {page: {"a-title"}}
    text = "[a](page.md#a-title) [b](page.md#no) [c](no.md) ![d](no.png)"
    broken = broken_links(tmp_path / "other.md", text, anchors)
    assert broken == ["page.md#no", "no.md", "no.png"]


def test_a_link_to_another_site_is_left_to_the_weekly_check(tmp_path):
    text = "[a](https://example.org/no.md) <mailto:a@example.org>"
    assert broken_links(tmp_path / "page.md", text, {}) == []


def test_the_slug_of_a_heading_is_the_one_that_github_gives():
    assert slug("Why not `exp`?") == "why-not-exp"
    assert slug("2. The swap in *dreiundvierzig*") == (
        "2-the-swap-in-dreiundvierzig"
    )


def test_every_document_links_only_to_what_is_committed(documents, files):
    """A link to a file that git ignores works for its author alone."""
    committed = set(files)
    ignored = {
        (document.name, link)
        for document in documents
        for link in links_of(document.without_code)
        if (name := link.partition("#")[0])
        and (target := (document.path.parent / name).resolve()).is_file()
        and target not in committed
    }
    assert ignored == set()
