"""Runs a notebook with the student's code in one process, the verdict in this.

The student's own cells run in a sandbox. A graded cell runs here, as the
release has it, in a namespace in which the release's own setup cells have
run: whatever name it takes from the notebook stands for an object over there
(:mod:`attnbook.grading.isolation.remote`). The fates are those of
:mod:`attnbook.grading.notebook.running`, cell by cell.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import io
import sys
import time
import types
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal

from attnbook.grading.isolation.limits import Limits
from attnbook.grading.isolation.memory import bounded_memory
from attnbook.grading.isolation.remote import CellEnded, Session
from attnbook.grading.isolation.sandbox import Child, SandboxError, Zygote
from attnbook.grading.isolation.sandbox.confinement import address_space
from attnbook.grading.notebook.assemble import RunCell
from attnbook.grading.notebook.read import Cell, UnusableError
from attnbook.grading.notebook.release import Release
from attnbook.grading.notebook.running import NOT_RUN, Fate
from attnbook.judging.exercise import Exercise, WrongAnswer

_MOST_RUNS = 8  # of one notebook, so of crashes in it
_ALONE, _ASKED = 0.5, 10.0  # seconds for a process to end
_MOST_MEMORY = 2 * 2**30  # bytes that the verdict on a cell may take
_LONGEST_TEXT = 4_000  # characters of an exception's text
NO_WINDOWS = (
    "Windows cannot fork the processes that a class is graded in. Grade in "
    "WSL 2 (`wsl --install`), where the sandbox works too."
)
# What never ends in one part would use up the time of all other exercises.
_STOPPED = ("timeout", "hung", "died", "output")
_NO_MORE = replace(
    NOT_RUN,
    text="It was not run: an earlier part of this exercise had to be stopped.",
)
_MODULES = ("numpy", "matplotlib.pyplot", "attnbook.grading.isolation.warm")


class Examiner:
    """Grades the submissions of one exercise, one after the other.

    Parameters
    ----------
    release
        The exercise: its setup cells and its graded cells.
    limits
        What one submission may take.
    isolation
        "bubblewrap", or "none" where students' code may do whatever this
        user may.
    seed
        Draws the cases that no student has seen; without it there are none.

    Raises
    ------
    UnusableError
        When the setup cells of the release do not run here, or this is
        Windows.
    """

    def __init__(
        self,
        release: Release,
        limits: Limits,
        isolation: Literal["bubblewrap", "none"] = "bubblewrap",
        seed: int | None = None,
    ) -> None:
        if sys.platform == "win32":
            raise UnusableError(NO_WINDOWS)
        self.release = release
        self.limits = limits
        self.isolation = isolation
        Exercise.secret_seed = seed
        self._space = _set_up(release)
        self._forbidden = sorted(
            {
                name
                for exercise in _exercises(self._space)
                for name in exercise.forbidden
            }
        )
        self._in_parts = {
            cell.grade_id: release.title_of(cell)
            for cell in release.graded
            if release.part_of(cell)
        }
        self._zygote: Zygote | None = None

    def __enter__(self) -> Examiner:
        # Now, so that no submission has to wait for it.
        self._living_zygote()
        return self

    def __exit__(self, *trouble: object) -> None:
        self.close()

    def close(self) -> None:
        """End all processes that it has started."""
        if self._zygote is not None:
            self._zygote.close()
            self._zygote = None

    def run(self, cells: Sequence[RunCell]) -> list[Fate]:
        """Run all cells in order; return the fate of each.

        Where a cell ends the student's process, the notebook is run again
        without it. What has been judged is not judged again.

        Raises
        ------
        SandboxError
            When no process can be started in the sandbox.
        """
        end = time.monotonic() + self.limits.total
        fates: dict[int, Fate] = {}
        left_out: set[int] = set()
        stopped: set[str] = set()  # exercises of which a part was stopped
        for _ in range(_MOST_RUNS):
            chosen = [i for i in range(len(cells)) if i not in left_out]
            found, last = self._run_once(
                [cells[i] for i in chosen], end, stopped
            )
            for position, fate in found.items():
                fates.setdefault(chosen[position], fate)
            if last is None:
                break
            fates[chosen[last]] = found[last]
            left_out.add(chosen[last])
            left_out |= {i for i in fates if cells[i].is_graded}
            if all(i in fates for i, c in enumerate(cells) if c.is_graded):
                break
        rest = NOT_RUN
        if time.monotonic() >= end:
            text = (
                f"It was not run: the {self.limits.total:g} s for the whole "
                "notebook were used up."
            )
            rest = replace(rest, text=text)
        return [fates.get(i, rest) for i in range(len(cells))]

    def _run_once(
        self, cells: Sequence[RunCell], end: float, stopped: set[str]
    ) -> tuple[dict[int, Fate], int | None]:
        """Run cells in one process.

        Returns the fates by position, and the position of the cell that
        ended the process, None when all have run.
        """
        fates: dict[int, Fate] = {}
        stand_ins: dict[str, Any] = {}  # until a cell of the student's runs
        position, ended = 0, False
        with self._session() as (session, child):
            for position, cell in enumerate(cells):
                left = end - time.monotonic()
                if left <= 0:
                    break
                seconds = min(self.limits.wall, left)
                exercise = self._in_parts.get(cell.grade_id, "")
                if cell.is_graded and exercise in stopped:
                    fates[position] = _NO_MORE
                elif cell.is_graded:
                    fates[position] = self._judge(
                        session, cell.source, seconds, stand_ins
                    )
                    if exercise and fates[position].kind in _STOPPED:
                        stopped.add(exercise)
                else:
                    stand_ins.clear()
                    fates[position] = session.run_cell(cell.source, seconds)
                ended = session.is_over
                if ended:
                    break
        if not ended:
            return fates, None
        if fates[position].kind == "died":
            text = self._reason(child.how)
            fates[position] = replace(fates[position], text=text)
        return fates, position

    def _reason(self, how: str) -> str:
        """Say what ended a process, where more than that is known."""
        if how == "memory":
            return (
                f"It needed more than the {self.limits.memory:g} MiB of "
                "memory that it may take."
            )
        if how == "cpu":
            return (
                f"It used up the {self.limits.cpu:g} s of processor time "
                "that a notebook may take."
            )
        if how == "threads":
            return (
                "It started many more than the "
                f"{self.limits.threads} threads that it may have."
            )
        return ""

    @contextlib.contextmanager
    def _session(self) -> Iterator[tuple[Session, Child]]:
        zygote = self._living_zygote()
        try:
            child = zygote.spawn()
        except SandboxError:
            # Perhaps the zygote itself was ended; a fresh one tells.
            self.close()
            zygote = self._living_zygote()
            child = zygote.spawn()
        session = Session(
            child.sock,
            lambda: zygote.interrupt(child),
            lambda: zygote.kill(child),
            self._forbidden,
        )
        try:
            yield session, child
        finally:
            if not session.is_over or not _ends(zygote, child, _ALONE):
                session.close()
                if not _ends(zygote, child, _ASKED):
                    self.close()

    def _living_zygote(self) -> Zygote:
        if self._zygote is not None and not self._zygote.is_alive:
            self.close()
        if self._zygote is None:
            modules = [*_imported(self.release), *_MODULES]
            zygote = Zygote(self.limits, self.isolation, modules)
            zygote.start()
            self._zygote = zygote
        return self._zygote

    def _judge(
        self,
        session: Session,
        source: str,
        seconds: float,
        stand_ins: dict[str, Any],
    ) -> Fate:
        """Run a graded cell here."""
        began = time.monotonic()
        session.limit(seconds)
        sink = io.StringIO()
        try:
            code = compile(source, "<graded cell>", "exec")
            session.start()
            space = self._space | stand_ins
            stand_ins |= session.resolve(sorted(_names(code) - set(space)))
            space |= stand_ins
            with (
                contextlib.redirect_stdout(sink),
                contextlib.redirect_stderr(sink),
                # What comes from a student is small, but functions of ours
                # are called with it, and a product of two large shapes
                # would take all there is.
                bounded_memory(address_space(), _MOST_MEMORY),
            ):
                exec(code, space)  # the release's own cell
            fate = Fate("passed")
        except CellEnded as end:
            fate = end.fate
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            fate = _fate(error)
        return replace(fate, seconds=round(time.monotonic() - began, 3))


def _ends(zygote: Zygote, child: Child, seconds: float) -> bool:
    try:
        zygote.wait(child, seconds)
    except TimeoutError:
        return False
    return True


def _fate(error: BaseException) -> Fate:
    try:
        text = str(error)[:_LONGEST_TEXT]
    except Exception:
        text = ""
    mistake = error.mistake if isinstance(error, WrongAnswer) else ""
    name = type(error).__name__
    if isinstance(error, WrongAnswer):
        name = "WrongAnswer"
    return Fate("error", name, text, mistake=mistake)


def _names(code: types.CodeType) -> set[str]:
    """Return the names that code may look up, but for built-in ones."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _names(constant)
    return found - set(vars(builtins))


# -- the release --------------------------------------------------------------


def _set_up(release: Release) -> dict[str, Any]:
    """Run the release's setup cells; return their namespace."""
    space: dict[str, Any] = {"__name__": "__main__"}
    for cell in _setup_cells(release):
        try:
            exec(compile(_plain(cell.source), "<setup>", "exec"), space)
        except Exception as error:
            raise UnusableError(
                f"A setup cell of the released {release.name} does not run "
                f"here: {type(error).__name__}: {error}"
            ) from error
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    return space


def _setup_cells(release: Release) -> list[Cell]:
    """Return the cells that make ready what the graded cells need."""
    return [
        cell
        for cell in release.notebook.cells
        if cell in release.setup or (cell.kind == "code" and cell.is_setup)
    ]


def _plain(source: str) -> str:
    """Turn a cell with magics into Python."""
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell(source)


def _exercises(space: dict[str, Any]) -> list[Exercise]:
    """Return the exercises of the checks that a namespace has imported."""
    return [
        exercise
        for module in space.values()
        if isinstance(module, types.ModuleType)
        for exercise in (
            *vars(module).values(),
            *getattr(module, "EXERCISES", {}).values(),
        )
        if isinstance(exercise, Exercise)
    ]


def _imported(release: Release) -> list[str]:
    """Return the modules that the setup cells import, but for the checks.

    The zygote imports them once for all.
    """
    found = []
    for cell in _setup_cells(release):
        for node in ast.walk(ast.parse(_plain(cell.source))):
            if isinstance(node, ast.Import):
                found += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.append(node.module)
    return [
        name
        for name in dict.fromkeys(found)
        if name.partition(".")[0] in ("attnbook", "numpy", "torch")
        and not name.startswith("attnbook.checks")
    ]
