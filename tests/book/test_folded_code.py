"""Code that only shows results is folded; what a reader opens stays open."""

from __future__ import annotations

import nbformat
import pytest
from contents import notebooks
from playwright.sync_api import expect

from book.folding import OPENING, title, untitled
from book.notebooks import FOLDED

CHAPTERS = [name for name in notebooks() if name.startswith("chapters/")]
GRADED = [name for name in notebooks() if not name.startswith("chapters/")]
FOLD = "article details.code-fold"


def folded_cells(root, name) -> list:
    return [
        cell
        for cell in nbformat.read(root / f"{name}.ipynb", 4).cells
        if FOLDED in cell.metadata.get("tags", [])
    ]


@pytest.fixture
def reader(visiting):
    return visiting()


def shown(page) -> list[bool]:
    return page.locator(FOLD).evaluate_all("all => all.map(d => d.open)")


@pytest.mark.parametrize("name", CHAPTERS)
def test_folded_code_is_one_line_that_says_what_it_does(reader, root, name):
    page = reader.open(f"{name}.html")
    cells = folded_cells(root, name)
    lines = page.locator(f"{FOLD} > summary")
    assert lines.all_inner_texts() == [title(cell.source) for cell in cells]
    assert not any(shown(page))
    code = page.locator(f"{FOLD} pre").evaluate_all(
        "all => all.map(p => p.textContent.trimEnd())"
    )
    assert code == [untitled(cell.source) for cell in cells]
    heights = lines.evaluate_all(
        "all => all.map(s => s.getBoundingClientRect().height)"
    )
    assert max(heights) < 40
    assert "Show code cell source" not in page.inner_text("article")


@pytest.mark.parametrize("name", GRADED)
def test_exercises_fold_what_installs_and_imports(reader, name):
    page = reader.open(f"{name}.html")
    lines = page.locator(f"{FOLD} > summary").all_inner_texts()
    assert lines == list(OPENING)


def test_what_a_reader_opens_is_open_when_they_come_back(reader):
    page = reader.open(f"{CHAPTERS[0]}.html")
    page.locator(f"{FOLD} > summary").nth(2).click()
    assert [at for at, is_open in enumerate(shown(page)) if is_open] == [2]
    reader.open(f"{CHAPTERS[1]}.html")
    assert not any(shown(page))
    reader.open(f"{CHAPTERS[0]}.html")
    assert [at for at, is_open in enumerate(shown(page)) if is_open] == [2]
    page.locator(f"{FOLD} > summary").nth(2).press("Enter")
    reader.open(f"{CHAPTERS[0]}.html")
    assert not any(shown(page))


def test_a_reader_who_wants_all_code_gets_it_on_every_page(reader):
    page = reader.open(f"{CHAPTERS[0]}.html")
    button = page.locator("article .code-fold-all")
    button.click()
    assert all(shown(page))
    for name in (CHAPTERS[1], GRADED[0]):
        reader.open(f"{name}.html")
        assert all(shown(page))
    page.locator(f"{FOLD} > summary").first.click()
    assert shown(page).count(False) == 1
    button.click()
    reader.open(f"{CHAPTERS[0]}.html")
    assert not any(shown(page))
    expect(button).to_have_text("Unfold all code")


def test_without_scripts_a_click_opens_the_code_too(visiting):
    visit = visiting(java_script_enabled=False)
    page = visit.page
    page.goto(f"{visit.site}{CHAPTERS[0]}.html")
    fold = page.locator(FOLD).first
    expect(fold.locator("pre")).to_be_hidden()
    fold.locator("summary").click()
    expect(fold.locator("pre")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", CHAPTERS)
def test_tables_are_readable_on_a_phone(visiting, name, theme):
    page = visiting(width=360, theme=theme).open(f"{name}.html")
    tables = page.locator("article .attn-table table")
    assert tables.count() >= 2
    assert page.evaluate(
        "() => document.documentElement.scrollWidth <= innerWidth"
    )
    for at in range(tables.count()):
        table = tables.nth(at)
        heads = table.locator('tbody th[scope="row"]')
        assert heads.count() >= 1
        size = table.evaluate("t => parseFloat(getComputedStyle(t).fontSize)")
        assert size >= 12
        # What names a row stays in sight while the row is scrolled.
        box = table.evaluate(
            """(t) => {
            let scrolled = t;
            while (scrolled && scrolled.scrollWidth <= scrolled.clientWidth)
              scrolled = scrolled.parentElement;
            if (scrolled?.closest("article")) scrolled.scrollLeft = 60;
            const head = t.querySelector('tbody th');
            return [head.getBoundingClientRect().left,
                    t.closest(".cell_output").getBoundingClientRect().left,
                    getComputedStyle(head).backgroundColor,
                    getComputedStyle(document.body).backgroundColor];
            }"""
        )
        assert box[0] >= box[1] - 1
        assert box[2] == box[3]
