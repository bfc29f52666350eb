"""A pytest plugin: nbval compares what the book's execution printed.

nbval runs the cells of a notebook in a kernel of its own. With this plugin
(``pytest -p book.comparison --nbval-lax chapters``) its kernel replays the
execution from which the page is built, :mod:`book.execution`, so that each
notebook runs once for both. All else is nbval's: the cells that are
compared, how, and the report of each.
"""

from __future__ import annotations

from collections import deque
from itertools import count
from pathlib import Path
from queue import Empty

import nbval.plugin
import pytest
from nbformat import NotebookNode

from book import execution


class ReplayedKernel:
    """What nbval asks of a kernel, answered from an executed notebook.

    ``cell`` is the number of the code cell that is asked for next.
    """

    def __init__(self, done: execution.Executed) -> None:
        self.cell = 0
        self._cells = [
            cell for cell in done.notebook.cells if cell.cell_type == "code"
        ]
        self._ids = count()
        self._messages: deque[dict] = deque()

    def is_alive(self) -> bool:
        return True

    def stop(self) -> None:
        self._messages.clear()

    def execute_cell_input(self, source: str, allow_stdin=None) -> str:
        """Queue what the cell printed; the id of these messages.

        Raises:
            RuntimeError: it was not run, as a cell before it failed.
        """
        cell = self._cells[self.cell]
        if cell.source != source:
            raise RuntimeError("the executed notebook has another cell here")
        if cell.execution_count is None and source.strip():
            raise RuntimeError("not run: a cell before this one failed")
        asked = str(next(self._ids))
        self._messages = deque(
            _message(asked, output.output_type, output)
            for output in cell.outputs
        )
        self._messages.append(
            _message(asked, "status", {"execution_state": "idle"})
        )
        return asked

    def await_reply(self, asked: str, timeout: float | None = None) -> None:
        """Return at once: the cell has been run."""

    def await_idle(self, asked: str, timeout: float | None = None) -> None:
        self._messages.clear()

    def get_message(self, stream: str, timeout: float | None = None) -> dict:
        """The next message of the cell.

        Raises:
            Empty: there is none.
        """
        if not self._messages:
            raise Empty
        return self._messages.popleft()


def _set_up(notebook: nbval.plugin.IPyNbFile) -> None:
    root = Path(notebook.config.rootpath)
    notebook.kernel = ReplayedKernel(execution.executed(root, notebook.path))
    notebook.setup_sanitize_files()


def _message(asked: str, kind: str, content: NotebookNode | dict) -> dict:
    return {
        "msg_type": kind,
        "parent_header": {"msg_id": asked},
        "content": content,
    }


def pytest_configure(config: pytest.Config) -> None:
    """Let a notebook be set up with the book's execution of it."""
    nbval.plugin.IPyNbFile.setup = _set_up


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the cells of a notebook together, with time to execute it."""
    for item in items:
        if isinstance(item, nbval.plugin.IPyNbCell):
            name = f"{item.path.parent.name}/{item.path.name}"
            item.add_marker(pytest.mark.xdist_group(name))
            item.add_marker(pytest.mark.timeout(3000))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Turn the kernel to the cell: a filter may have left some out."""
    if isinstance(item, nbval.plugin.IPyNbCell):
        item.parent.kernel.cell = item.cell_num
