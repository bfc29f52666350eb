"""A notebook that a learner has open in JupyterLab."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

PATIENCE = 60_000  # milliseconds, for what waits for a kernel


class LabPage:
    """What a learner sees of a notebook, and does in it.

    Cells are named by their ids.
    """

    def __init__(self, page: Page, address: str, notebook: Path) -> None:
        self.page = page
        cells = json.loads(notebook.read_text("utf-8"))["cells"]
        self._places = {cell["id"]: n for n, cell in enumerate(cells)}
        self.code = [c["id"] for c in cells if c["cell_type"] == "code"]
        page.set_default_timeout(PATIENCE)
        page.goto(f"{address}/lab/tree/{notebook.name}?reset")
        idle = page.locator("#jp-main-statusbar", has_text="| Idle")
        idle.wait_for()

    def _cell(self, name: str) -> Locator:
        cells = self.page.locator(".jp-Notebook .jp-Cell")
        return cells.nth(self._places[name])

    def write(self, name: str, source: str) -> None:
        """Replace all that stands in a cell."""
        self._cell(name).locator(".cm-content").click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(source)

    def run(self, name: str) -> str:
        """Run a cell; return what it printed."""
        self._cell(name).locator(".cm-content").click()
        with self._running(name):
            self.page.keyboard.press("Control+Enter")
        return self.printed(name)

    def run_all(self) -> None:
        """Choose *Run All Cells* from the menu."""
        with self._running(self.code[0]):
            for entry in ("Run", "Run All Cells"):
                named = {"name": entry, "exact": True}
                self.page.get_by_role("menuitem", **named).click()

    @contextlib.contextmanager
    def _running(self, first: str) -> Iterator[None]:
        """Wait until a cell is run, and all that are run after it."""
        prompt = self._cell(first).locator(".jp-InputPrompt")
        before = prompt.inner_text()
        yield
        expect(prompt).not_to_have_text(before, timeout=PATIENCE)
        waiting = self.page.locator(".jp-InputPrompt", has_text="[*]")
        expect(waiting).to_have_count(0, timeout=PATIENCE)

    def printed(self, name: str) -> str:
        """Return the output of a cell."""
        areas = self._cell(name).locator(".jp-OutputArea-output")
        return "\n".join(areas.all_inner_texts())

    def failed(self) -> list[str]:
        """Return what the cells say that ended with an error."""
        kind = "application/vnd.jupyter.stderr"
        outputs = self.page.locator(".jp-OutputArea-output")
        errors = outputs.and_(self.page.locator(f'[data-mime-type="{kind}"]'))
        return errors.all_inner_texts()

    def not_run(self) -> list[str]:
        """Return which code cells were not run."""
        return [
            name
            for name in self.code
            if "[ ]"
            in self._cell(name).locator(".jp-InputPrompt").inner_text()
        ]

    def save(self) -> None:
        """Save it, and wait until it is."""
        self.page.keyboard.press("Control+S")
        unsaved = self.page.locator(".lm-TabBar-tab.jp-mod-dirty")
        expect(unsaved).to_have_count(0, timeout=PATIENCE)

    def validate(self) -> str:
        """Press nbgrader's button; return what it says."""
        self.page.get_by_role("button", name="Validate").click()
        dialog = self.page.locator(".jp-Dialog")
        dialog.wait_for()
        return dialog.inner_text()
