"""Each explorer, once in Firefox: by keyboard and by mouse."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest
from firefox import Firefox, find_firefox
from pages import write_page
from samples import SAMPLES

NEEDED = (
    "no Firefox was found: install one (on Debian: apt-get install "
    "firefox-esr) or name it: FIREFOX=/path/to/firefox make test"
)
ROOT = "document.querySelector('.widget > div')?.shadowRoot"
# What the explorer says to its reader, and the cell that is chosen.
SAID = f"""[...{ROOT}.querySelectorAll('.explorer *')]
  .filter((node) => !node.closest(".hidden"))
  .map((node) => [node.childElementCount ? '' : node.textContent,
    node.ariaValueText, node.ariaLabel, node.tabIndex, node.alt])"""
CONTROL = f"""({ROOT}.querySelector('input[type=range]:enabled')
  ?? {ROOT}.querySelector('[role=grid] [tabindex="0"]'))"""


@pytest.fixture(scope="module")
def firefox(tmp_path_factory) -> Iterator[Firefox]:
    path = find_firefox()
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(NEEDED)
    browser = Firefox(path, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


def wait_until(true, what: str, seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, what
        time.sleep(0.05)


@pytest.mark.parametrize("name", SAMPLES)
def test_an_explorer_answers_in_firefox(firefox, tmp_path, name):
    page = write_page(tmp_path, [SAMPLES[name]()])
    firefox.open(page.as_uri())
    wait_until(lambda: firefox.evaluate(f"!!{ROOT}"), "it is not drawn")
    box = firefox.evaluate(
        f"""(() => {{
          {CONTROL}.scrollIntoView({{ block: "center" }});
          {CONTROL}.focus();
          return {CONTROL}.getBoundingClientRect();
        }})()"""
    )
    firefox.press("Home")  # where it may have stood already
    time.sleep(0.3)
    before = firefox.evaluate(SAID)
    firefox.press("End")
    wait_until(lambda: firefox.evaluate(SAID) != before, "no key moves it")
    time.sleep(0.3)
    before = firefox.evaluate(SAID)
    firefox.click(box["x"] + 0.3 * box["width"], box["y"] + box["height"] / 2)
    wait_until(lambda: firefox.evaluate(SAID) != before, "no click moves it")
    assert firefox.errors == []
