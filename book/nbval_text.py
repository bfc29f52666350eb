"""A pytest plugin: nbval compares the text of an output, not its HTML.

A table is shown as HTML in the page and has the same numbers as text. The
notebooks keep the text alone (``book/notebooks.py``), so that a diff reads
well; nbval would take the HTML for an output that nobody expected.
"""

from __future__ import annotations

from nbval.plugin import IPyNbFile


def pytest_collectstart(collector) -> None:
    """Leave HTML out of what the cells of a notebook are compared by."""
    if isinstance(collector, IPyNbFile):
        collector.skip_compare += ("text/html",)
