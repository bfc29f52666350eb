"""A pytest plugin that runs inside nbval and records each cell's fate.

nbval runs each code cell as one pytest item. This plugin makes it heed
nothing in the notebook but the code (no tag and no ``# NBVAL_SKIP``),
notices a dead kernel at once instead of at the cell's time limit, keeps
endless output from filling the memory, and writes what happened to each
cell, as one line of JSON each, to the file named by ``RECORDS``.

Records have a "kind": "kernel" (its process id), "start", or the outcome of
a cell: "passed", "error", "timeout" (stopped, the kernel lives), "output"
(stopped for its output), "died" (the kernel ended), "hung" (could not be
stopped); "no kernel", or "end" when all is done.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from queue import Empty

import nbval.plugin
import pytest
from nbval.kernel import RunningKernel

from attnbook.grading.notebook.running import RECORDS

KEPT_OUTPUT = 200_000  # characters of a cell's output; more is dropped
MOST_OUTPUT = 10_000_000  # characters; a cell that prints more is stopped
_LONGEST_TEXT = 4_000  # characters of an exception's text
_SLICE = 0.1  # seconds between two looks at the kernel
_GRACE = 5.0  # seconds for a cell to end after an interrupt


class KernelDiedError(Exception):
    """The kernel ended while it ran a cell."""


class GradingKernel(RunningKernel):
    """nbval's kernel, which drains the output while it waits."""

    def __init__(self, *arguments, **keywords) -> None:
        self._pending: deque = deque()
        self._printed = 0
        self._give_up: float | None = None
        self.is_flooded = False
        self.reply: dict = {}
        super().__init__(*arguments, **keywords)
        pid = getattr(self.km.provisioner, "pid", None)
        _record({"kind": "kernel", "pid": pid})

    def execute_cell_input(self, *arguments, **keywords):
        """Run a cell, with its own measure of output and of patience."""
        self._printed, self._give_up, self.is_flooded = 0, None, False
        self._pending.clear()
        self.reply = {}
        return super().execute_cell_input(*arguments, **keywords)

    def interrupt(self) -> None:
        """Interrupt the cell, and wait for its end only so long."""
        self._give_up = time.monotonic() + _GRACE
        super().interrupt()

    def get_message(self, stream, timeout=None):
        """Return the next message of a stream.

        Raises
        ------
        Empty
            When none came in time.
        KernelDiedError
            When the kernel ended instead.
        """
        limit = None if timeout is None else time.monotonic() + timeout
        while True:
            self._drain()
            if stream == "iopub" and self._pending:
                return self._pending.popleft()
            try:
                if stream == "shell":
                    message = self.kc.get_shell_msg(timeout=_SLICE)
                    self.reply = message["content"]
                    return message
                self._keep(self.kc.get_iopub_msg(timeout=_SLICE))
                continue
            except Empty:
                if not self.is_alive():
                    raise KernelDiedError from None
            now = time.monotonic()
            if limit is not None and now > limit:
                raise Empty
            if self._give_up is not None and now > self._give_up:
                raise Empty

    def _drain(self) -> None:
        try:
            for _ in range(1_000):
                self._keep(self.kc.get_iopub_msg(timeout=0))
        except Empty:
            pass

    def _keep(self, message) -> None:
        content = message["content"]
        if message["msg_type"] in ("stream", "display_data"):
            self._printed += len(content.get("text", ""))
            self._printed += len(str(content.get("data", "")))
            if self._printed > MOST_OUTPUT and not self.is_flooded:
                self.is_flooded = True
                self.interrupt()
            if self._printed > KEPT_OUTPUT:
                return
        self._pending.append(message)


def _record(entry: dict) -> None:
    with open(os.environ[RECORDS], "a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def pytest_configure(config) -> None:
    """Put the draining kernel in the place of nbval's own."""
    nbval.plugin.RunningKernel = GradingKernel


def pytest_collection_modifyitems(items) -> None:
    """Take away whatever a notebook asks of nbval by a comment."""
    for item in items:
        item.options.update(skip=False, check=False, check_exception=False)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item) -> None:
    """Record that a cell starts: it may be the last that is heard of it."""
    if not item.parent.kernel.is_alive():
        # The cell before ended it, a moment after its own end.
        before = item.cell_num - 1
        _record({"kind": "died", "cell": before, "seconds": 0.0})
        item.session.shouldstop = "died"
        pytest.skip("the kernel has ended")
    _record({"kind": "start", "cell": item.cell_num})


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Record a cell's outcome, and stop where there is no kernel left."""
    yield
    if call.when == "setup" and call.excinfo is not None:
        _record({"kind": "no kernel", "text": str(call.excinfo.value)[:500]})
        item.session.shouldstop = "no kernel"
    if call.when != "call" or (
        call.excinfo is not None
        and call.excinfo.errisinstance(pytest.skip.Exception)
    ):
        return
    entry = {"cell": item.cell_num, "seconds": round(call.duration, 2)}
    entry.update(_fate(item, call.excinfo))
    _record(entry)
    if entry["kind"] in ("died", "hung"):
        item.session.shouldstop = entry["kind"]


def pytest_sessionfinish() -> None:
    """Record that the kernel was stopped in good order."""
    _record({"kind": "end"})


def _fate(item, excinfo) -> dict:
    kernel = item.parent.kernel
    asked = [part.get("source") for part in kernel.reply.get("payload", ())]
    if "ask_exit" in asked:
        return {"kind": "died"}  # in a moment
    # nbval takes a cell for right that ended in SystemExit; the kernel's
    # own reply tells.
    if excinfo is None and kernel.reply.get("status") == "ok":
        return {"kind": "passed"}
    if not kernel.is_alive():
        died = excinfo is None or excinfo.errisinstance(KernelDiedError)
        return {"kind": "died" if died else "hung"}
    if kernel.is_flooded:
        return {"kind": "output"}
    error = kernel.reply
    for output in item.test_outputs or ():
        if output["output_type"] == "error":
            error = output
    name = error.get("ename", "")
    is_stopped = kernel._give_up is not None
    if is_stopped and name in ("", "KeyboardInterrupt"):
        return {"kind": "timeout"}
    return {
        "kind": "error",
        "name": str(name or "Error")[:100],
        "text": str(error.get("evalue", excinfo))[:_LONGEST_TEXT],
    }
