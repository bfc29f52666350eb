"""Every page of the built book, in a browser cut off from every host.

A page is loaded once for each width and theme; its tests look at it in turn.
"""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from contents import pages

every_page = pytest.mark.parametrize("path", pages())

# Text that MathJax should have turned into a formula, outside of code.
RAW_FORMULAS = """() => {
  const found = [...document.querySelectorAll("mjx-merror, .MathJax_Error")]
    .map((node) => "error: " + node.textContent);
  const walker = document.createTreeWalker(
    document.querySelector("main"), NodeFilter.SHOW_TEXT);
  const skipped = "pre, code, script, style, mjx-container, svg, textarea";
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.parentElement.closest(skipped)) continue;
    if (/\\\\[()\\[\\]]|\\$[^$]+\\$|\\\\(frac|begin|tag|operatorname)\\b/
        .test(node.data)) found.push(node.data.trim().slice(0, 80));
  }
  return found;
}"""

WIDER_THAN_THE_PAGE = """() => {
  const width = document.documentElement.clientWidth;
  const scrolls = (node) => {
    for (let up = node; up && up !== document.body; up = up.parentElement)
      if (["auto", "scroll", "hidden"].includes(
          getComputedStyle(up).overflowX)) return true;
    return false;
  };
  const wide = [...document.querySelectorAll("main *")]
    .filter((node) => node.getBoundingClientRect().right > width + 1)
    .filter((node) => node.checkVisibility() && !scrolls(node))
    .map((node) => node.tagName + "." + node.className);
  const page = document.documentElement.scrollWidth;
  return page > width + 1 ? [`page: ${page} px`, ...wide] : wide;
}"""


@every_page
def test_a_page_asks_no_other_host_and_has_no_error(wide, path):
    page = wide.stay(path)
    page.mouse.wheel(0, 20_000)
    page.wait_for_load_state("networkidle")
    assert wide.faults == []


@every_page
def test_every_figure_says_what_it_shows(wide, path):
    page = wide.stay(path)
    images = page.locator("article img").evaluate_all(
        "all => all.map(i => ({alt: i.alt, src: i.src,"
        " loaded: !i.complete || i.naturalWidth > 0}))"
    )
    wordless = [i["src"] for i in images if len(i["alt"].split()) < 5]
    assert wordless == []
    assert all(i["loaded"] for i in images)


@every_page
def test_no_formula_is_left_raw(wide, path):
    assert wide.stay(path).evaluate(RAW_FORMULAS) == []


def test_a_raw_formula_would_be_found(wide):
    page = wide.open("intro.html")
    page.evaluate(
        "document.querySelector('main').append('so $q$ and \\\\(k\\\\)')"
    )
    assert page.evaluate(RAW_FORMULAS) == ["so $q$ and \\(k\\)"]


@every_page
def test_a_page_fits_a_phone(narrow, path):
    page = narrow.stay(path)
    assert page.evaluate(WIDER_THAN_THE_PAGE) == []
    assert narrow.faults == []


def test_something_too_wide_would_be_found(narrow):
    page = narrow.open("intro.html")
    page.evaluate(
        "document.querySelector('article').insertAdjacentHTML("
        "'beforeend', '<div class=planted style=\"width: 900px\">x</div>')"
    )
    assert any(
        "planted" in what for what in page.evaluate(WIDER_THAN_THE_PAGE)
    )


def is_a_formula_that_axe_cannot_read(page, broken, node) -> bool:
    """axe takes a header that holds MathML alone for an empty one."""
    if broken["id"] != "empty-table-header":
        return False
    header = page.locator(node["target"][0])
    return header.locator("mjx-assistive-mml math").count() > 0


@every_page
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_violation(request, theme, path):
    visit = request.getfixturevalue("wide" if theme == "light" else "dark")
    page = visit.stay(path)
    # what is folded fades in; half faded, its contrast is too low. The
    # tests of the same page that follow find it open.
    page.add_style_tag(
        content="* { animation: none !important; transition: none !important }"
    )
    page.evaluate(
        "document.querySelectorAll('article details')"
        ".forEach((folded) => { folded.open = true; })"
    )
    options = {"resultTypes": ["violations"]}
    if theme == "dark":  # the same page in other colours
        options["runOnly"] = ["color-contrast", "link-in-text-block"]
    found = Axe().run(page, context="main", options=options)
    assert [
        f"{broken['id']}: {node['target']} {node['failureSummary']}"
        for broken in found.response["violations"]
        for node in broken["nodes"]
        if not is_a_formula_that_axe_cannot_read(page, broken, node)
    ] == []


@every_page
def test_every_link_within_the_book_leads_somewhere(book, wide, path):
    page = wide.stay(path)
    links = page.locator("a[href]").evaluate_all(
        # in a drawing, a link's address is an object
        "all => all.map(a => new URL("
        "a.getAttribute('href'), document.baseURI).href)"
    )
    broken = []
    for link in set(links):
        if not link.startswith(wide.site):
            continue
        name, _, anchor = link.removeprefix(wide.site).partition("#")
        target = book / (name.partition("?")[0] or "index.html")
        if not target.is_file() or (
            anchor
            and target.suffix == ".html"
            and f'id="{anchor}"' not in target.read_text("utf-8")
        ):
            broken.append(link)
    assert broken == []
