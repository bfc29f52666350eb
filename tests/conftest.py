"""One thread for each process of the tests, one Chromium; and where the time
went."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import pytest

from benchmarks.chromium import chromium as running_chromium
from benchmarks.chromium import find_chromium
from benchmarks.suite_seconds import part_of

# The tests run in as many processes as there are cores; the threads of one
# would wait for those of the others. It is read when torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

NEEDED = """\
No Chromium was found, and some of these tests need one. Do one of:

  apt-get install chromium                            (Debian, Ubuntu)
  .venv/bin/python -m playwright install chromium     (anywhere)
  CHROMIUM=/path/to/a/chromium make test              (you have one)

The other tests alone: make test ARGS="--ignore tests/book
--ignore tests/explorers"
"""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Say at once what is missing, not after minutes of other tests."""
    asking = any(
        "chromium" in getattr(item, "fixturenames", ())
        for item in session.items
    )
    if not asking or find_chromium() is not None:
        return
    if hasattr(session.config, "workerinput"):  # one process among several
        session.shouldfail = NEEDED
    else:
        pytest.exit(NEEDED, returncode=pytest.ExitCode.USAGE_ERROR)


def pytest_terminal_summary(terminalreporter) -> None:
    """Say which parts of the tests took most of the time, all processes."""
    seconds = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                name = report.nodeid.replace("/", ".")
                seconds[part_of(name)] += report.duration
    if sum(seconds.values()) < 60:
        return
    terminalreporter.section("seconds of the tests")
    for part, taken in seconds.most_common(20):
        terminalreporter.line(f"{taken:8.0f}  {part}")


@pytest.fixture(scope="session")
def chromium() -> Iterator:
    """A headless browser of Playwright's; one a session, as it demands."""
    with running_chromium() as browser:
        yield browser
