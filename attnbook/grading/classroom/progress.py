"""How far the grading is: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from typing import Self

_BETWEEN = 10.0  # seconds between two lines where there is no terminal


class Progress:
    """Counts what is graded and shows it on stderr, with the time left."""

    def __init__(self, total: int) -> None:
        from tqdm import tqdm

        # No threads: workers are forked while the bar is shown.
        tqdm.monitor_interval = 0
        tqdm.set_lock(threading.RLock())
        self.total = total
        self.graded = self.full = self.trouble = 0
        self._is_terminal = sys.stderr.isatty()
        self._bar = tqdm(
            total=total,
            desc="Grading",
            unit="submission",
            file=sys.stderr,
            dynamic_ncols=True,
            disable=not self._is_terminal,
            bar_format="{desc}: {n_fmt}/{total_fmt} |{bar}| {remaining} "
            "left{postfix}",
        )
        self._began = self._last = time.monotonic()

    def __enter__(self) -> Self:
        """Show nothing yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the last state on the screen."""
        self._bar.close()
        if self.done and not self._is_terminal:
            self._line()

    @property
    def done(self) -> int:
        """How many submissions came to their end."""
        return self.graded + self.trouble

    def count(self, is_graded: bool, is_full: bool) -> None:
        """Count one more submission."""
        self.graded += is_graded
        self.full += is_full
        self.trouble += not is_graded
        self._bar.set_postfix_str(self._counts(), refresh=False)
        self._bar.update()
        if not self._is_terminal and time.monotonic() - self._last > _BETWEEN:
            self._line()

    def tick(self) -> None:
        """Let the time go on where nothing else happens."""
        if self._is_terminal:
            self._bar.refresh()

    def say(self, text: str) -> None:
        """Print a line above the bar."""
        self._bar.clear()
        print(text, file=sys.stderr, flush=True)

    def _counts(self) -> str:
        return (
            f"{self.graded} graded, {self.full} with full marks, "
            f"{self.trouble} in trouble"
        )

    def _line(self) -> None:
        self._last = time.monotonic()
        each = (self._last - self._began) / self.done
        left = round(each * (self.total - self.done))
        more = f"; about {left} s left" if self.done < self.total else ""
        print(
            f"{self.done} of {self.total}: {self._counts()}{more}.",
            file=sys.stderr,
            flush=True,
        )
