"""What a reader does with the book: search, copy, fold, turn dark, open."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree

import pytest
from contents import documents, notebooks
from playwright.sync_api import expect

from book import address as addresses

CHAPTERS = [name for name in notebooks() if name.startswith("chapters/")]
EXERCISES = [name for name in notebooks() if name.startswith("exercises/")]


@pytest.fixture(scope="session")
def reader(wide):
    return wide


def test_search_finds_additive_attention(reader):
    page = reader.open("search.html?q=additive+attention")
    page.wait_for_selector("#search-results li a", state="attached")
    titles = page.locator("#search-results li > a").all_inner_texts()
    assert any("Additive attention" in title for title in titles[:3])


def test_search_of_a_word_that_is_nowhere_finds_nothing(reader):
    page = reader.open("search.html?q=zyzzyva")
    page.wait_for_selector("#search-results .search-summary")
    page.wait_for_function(
        "() => /did not match/.test("
        "document.querySelector('#search-results').innerText)"
    )
    assert page.locator("#search-results li").count() == 0


@pytest.mark.parametrize("name", notebooks())
def test_a_notebook_opens_in_colab(reader, name):
    page = reader.stay(f"{name}.html")
    wanted = addresses.declared().colab(f"{name}.ipynb")
    links = page.locator(f'a[href^="{addresses.COLAB}"]').evaluate_all(
        "all => all.map(a => a.href)"
    )
    assert links and set(links) == {wanted}


@pytest.mark.parametrize("name", documents())
def test_a_page_can_be_edited_in_the_repository(reader, root, name):
    page = reader.stay(f"{name}.html")
    repository = addresses.declared().repository
    links = page.locator(f'a[href^="{repository}/edit/"]').evaluate_all(
        "all => all.map(a => a.href)"
    )
    (link,) = set(links)
    path = link.removeprefix(f"{repository}/edit/{addresses.BRANCH}/")
    assert (root / path).is_file()


@pytest.mark.parametrize("name", notebooks())
def test_a_notebook_can_be_downloaded_as_it_is_in_the_repository(
    reader, root, book, name
):
    page = reader.stay(f"{name}.html")
    link = page.locator("a.btn-download-source-button").get_attribute("href")
    served = (book / name).parent.joinpath(link).resolve()
    source = root / f"{name}.ipynb"
    assert json.loads(served.read_text()) == json.loads(source.read_text())


@pytest.mark.parametrize("name", EXERCISES)
def test_an_exercise_is_shown_before_anything_has_run(reader, name):
    page = reader.stay(f"{name}.html")
    assert page.locator("div.cell_output").count() == 0
    assert "raise NotImplementedError" in page.inner_text("article")
    solutions = name.replace("exercises/", "solutions/")
    assert page.locator(f'article a[href*="{solutions}"]').count() == 1


def test_solutions_are_called_solutions(reader):
    page = reader.open("solutions/00-soft-lookup.html")
    assert page.inner_text("h1").startswith("Solutions")
    sidebar = page.inner_text("#pst-primary-sidebar")
    assert "Solutions" in sidebar and "Exercises" in sidebar


@pytest.mark.parametrize("name", CHAPTERS)
def test_an_explorer_mounts_and_answers_to_the_keyboard(reader, name):
    page = reader.open(f"{name}.html")
    places = page.locator(
        'script[type="application/vnd.jupyter.widget-view+json"]'
    )
    assert places.count() >= 1
    page.wait_for_function(
        """(count) => [...document.querySelectorAll("article *")]
          .filter((node) => node.shadowRoot).length === count""",
        arg=places.count(),
    )
    waiting = page.locator("article .waiting")  # for bytes that come when near
    if waiting.count():
        waiting.evaluate("one => one.scrollIntoView()")
        expect(waiting).to_have_count(0)
    sliders = page.locator('article input[type="range"]:enabled')
    grids = page.locator('article [role="grid"]')
    assert sliders.count() + grids.count() >= 1
    for number in range(sliders.count()):
        slider = sliders.nth(number)
        before = slider.input_value()
        most = slider.get_attribute("max")
        slider.press("ArrowLeft" if before == most else "ArrowRight")
        expect(slider).not_to_have_value(before)
    for number in range(grids.count()):
        chosen = grids.nth(number).locator('[role="gridcell"][tabindex="0"]')
        chosen.focus()
        chosen.press("Home")
        first = chosen.get_attribute("aria-label")
        chosen.press("End")
        expect(chosen).not_to_have_attribute("aria-label", first)
    assert reader.faults == []


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_states_minutes_and_what_it_needs(reader, name):
    page = reader.stay(f"{name}.html")
    lead = page.locator("article .lead-line")
    assert lead.count() == 1
    assert re.search(r"\d+\s+minutes.*need", lead.inner_text(), re.DOTALL)


@pytest.mark.parametrize("name", CHAPTERS)
def test_displayed_equations_carry_numbers(reader, name):
    page = reader.stay(f"{name}.html")
    displayed = page.locator('mjx-container[display="true"]')
    assert displayed.count() >= 3
    chapter = int(re.search(r"/(\d\d)-", name)[1])
    shown = page.evaluate(
        "() => [...MathJax.startup.document.math].map(m => m.math)"
    )
    tags = [
        tag for text in shown for tag in re.findall(r"\\tag\{(.+?)\}", text)
    ]
    assert tags == sorted(tags, key=lambda tag: int(tag.split(".")[1]))
    assert tags
    assert all(tag.startswith(f"{chapter}.") for tag in tags)
    assert len(set(tags)) == len(tags)


def test_figures_turn_over_in_the_dark_and_explorers_do_not(visiting):
    page = visiting(theme="dark").open("chapters/00-soft-lookup.html")
    filters = page.locator("article div.cell_output img").evaluate_all(
        "all => all.map(i => getComputedStyle(i).filter)"
    )
    assert filters and all("invert" in used for used in filters)
    hosts = page.evaluate(
        "() => [...document.querySelectorAll('article *')]"
        ".filter(n => n.shadowRoot)"
        ".map(n => getComputedStyle(n).filter)"
    )
    assert hosts and set(hosts) == {"none"}


def test_code_can_be_copied(visiting):
    visit = visiting(permissions=["clipboard-read", "clipboard-write"])
    page = visit.open("chapters/00-soft-lookup.html")
    page.locator("details.code-fold > summary").first.click()
    cell = page.locator("div.cell_input").first
    cell.hover()
    cell.locator("button.copybtn").click()
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied.startswith("try:\n    import attnbook\n")


def test_icons_are_drawn_without_the_icon_script(reader, book):
    page = reader.open("intro.html")
    assert not (book / "_static/scripts/fontawesome.js").exists()
    widths = page.evaluate(
        """() => {
        const seen = (n) => n.checkVisibility();
        return [...document.querySelectorAll("i[class*='fa-']")].filter(seen)
          .map((n) => [n.className, getComputedStyle(n, "::before").content,
                       n.getBoundingClientRect().width]);
        }"""
    )
    assert widths
    assert all(
        content not in ("none", '""') and width > 4
        for _, content, width in widths
    )


def test_an_icon_font_holds_every_icon_that_the_pages_name(book):
    from fontTools.ttLib import TTFont

    from book import fonts

    held = set()
    for path in (book / fonts.CUT_ICONS).glob("*.woff2"):
        held |= set(TTFont(path).getBestCmap())
        assert path.stat().st_size < 8_000
    private = {code for code in fonts.icons_in_use(book) if code >= 0xE000}
    assert private and private <= held


def test_the_sitemap_lists_every_page(book):
    tree = ElementTree.parse(book / "sitemap.xml")
    listed = {place.text for place in tree.iter() if place.tag.endswith("loc")}
    pages = addresses.declared().pages
    assert listed == {f"{pages}{name}.html" for name in documents()}


@pytest.mark.parametrize("name", documents())
def test_a_shared_link_has_a_card(reader, book, name):
    page = reader.stay(f"{name}.html")

    def said(kind: str) -> str:
        return page.locator(f'meta[property="{kind}"]').get_attribute(
            "content"
        )

    pages = addresses.declared().pages
    assert said("og:title")
    assert len(said("og:description")) > 40
    assert said("og:url") == f"{pages}{name}.html"
    assert (book / said("og:image").removeprefix(pages)).is_file()


@pytest.mark.parametrize("name", CHAPTERS)
def test_figures_carry_numbers_and_can_be_linked(reader, name):
    page = reader.stay(f"{name}.html")
    chapter = int(re.search(r"/(\d\d)-", name)[1])
    labels = page.locator("article .figure-number a")
    figures = page.evaluate(
        "document.querySelectorAll('article div.cell_output img').length"
    )
    assert labels.all_inner_texts() == [
        f"Figure {chapter}.{number + 1}" for number in range(figures)
    ]
    for number in range(figures):
        anchor = labels.nth(number).get_attribute("href")
        assert page.locator(f"{anchor} img").count() == 1


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_formula_can_be_read_aloud(reader, name):
    page = reader.stay(f"{name}.html")
    formulas = page.locator("article mjx-container").count()
    spoken = page.locator("article mjx-assistive-mml math").count()
    assert formulas == spoken > 10


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_finished_progress_bar_leaves_nothing_on_the_page(reader, name):
    page = reader.stay(f"{name}.html")
    assert not re.search(r"\d+%\|", page.inner_text("article"))
    assert "needs Python" not in page.inner_text("article")
