"""The student's process: runs cells, and calls what they define on request.

It starts when the sandbox is closed behind it and trusts nobody to keep it
so: whatever is decided about points is decided elsewhere, in a process that
sees nothing of this one but messages
(:mod:`attnbook.grading.isolation.channel`).
"""

from __future__ import annotations

import _thread
import builtins
import contextlib
import functools
import getpass
import importlib
import io
import os
import random
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import StdinNotImplementedError, UsageError
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type
from traitlets.config import Config

from attnbook.grading.isolation import transforms
from attnbook.grading.isolation.bridge import Peer
from attnbook.grading.isolation.channel import Channel, ClosedError
from attnbook.grading.isolation.packing import Packer
from attnbook.grading.isolation.unpacking import Unpacker
from attnbook.grading.isolation.wire import Mark, WireError
from attnbook.grading.notebook import colab
from attnbook.judging import inspection
from attnbook.judging.inspection import MEASURES, TakenAwayError

MOST_OUTPUT = 10_000_000  # characters; a cell that prints more is stopped


class Flood(BaseException):
    """Raised in code that prints without end."""


def serve(connection: socket.socket) -> None:
    """Serve the grader until it closes the connection."""
    Student(Channel(connection)).serve_all()


# -- the notebook -----------------------------------------------------------


class _Silence(io.TextIOBase):
    """Drops what is printed, and stops who prints too much."""

    def __init__(self) -> None:
        self.written = 0

    @property
    def encoding(self) -> str:
        return "utf-8"

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.written += len(text)
        if self.written > MOST_OUTPUT:
            raise Flood
        return len(text)


class _NoPublisher(DisplayPublisher):
    """Shows nothing, and counts it as if it were printed."""

    silence: _Silence | None = None

    def publish(self, data, *arguments, **keywords):
        if self.silence is not None and isinstance(data, dict):
            for shown in data.values():
                self.silence.write(str(shown))

    def clear_output(self, wait=False):
        pass


_OTHER_PROGRAMS = (
    *("bash", "sh", "script", "system", "sx", "!"),
    *("perl", "ruby", "python", "python2", "python3", "pypy"),
)


class _Notebook(InteractiveShell):
    """IPython without a screen, a keyboard, a history or other programs."""

    # No setting reaches this one.
    display_pub_class = Type(_NoPublisher)

    def init_magics(self) -> None:
        super().init_magics()
        for name in ("pip", "conda", "mamba", "micromamba", "uv"):
            self.register_magic_function(nothing, "line", name)
        for name in _OTHER_PROGRAMS:
            self.register_magic_function(nothing, "line_cell", name)
        configure = self.find_line_magic("config")

        def config(line: str) -> None:
            # The figures of a notebook have settings that are not here.
            with contextlib.suppress(UsageError):
                configure(line)

        self.magics_manager.magics["line"]["config"] = config

    def showtraceback(self, *arguments, **keywords) -> None:
        pass

    def showsyntaxerror(self, *arguments, **keywords) -> None:
        pass

    def system(self, command: str) -> None:
        self.user_ns["_exit_code"] = 1

    system_raw = system_piped = system

    def getoutput(self, *arguments, **keywords) -> list:
        return []

    def enable_gui(self, gui: str | None = None) -> None:
        pass

    def enable_matplotlib(self, gui: str | None = None) -> tuple:
        return "agg", "agg"

    def ask_exit(self) -> None:
        os._exit(0)


def nothing(*arguments: object, **keywords: object) -> None:
    """Do nothing: no cell installs or runs other programs here."""


_prepared: list[_Notebook] = []


def prepare() -> None:
    """Make the notebook of the first student, ahead of the fork."""
    colab.install()
    # Devices that are not here: torch.manual_seed would keep a traceback for
    # each, which takes longer than most answers.
    for device in (torch.cuda, torch.mtia, torch.xpu):
        device.manual_seed_all = nothing
    settings = Config()
    settings.HistoryManager.enabled = False
    settings.InteractiveShell.colors = "nocolor"
    _prepared.append(_Notebook.instance(config=settings))


def _find_own_modules() -> None:
    """Let modules be imported that a cell has written, as a kernel does.

    The folder where cells run comes after Python's own modules, and before
    all that is installed.
    """
    installed = ("site-packages", "dist-packages")
    places = [os.path.basename(path) in installed for path in sys.path]
    sys.path.insert(places.index(True) if any(places) else len(places), "")


def _no_input(*arguments: object) -> str:
    raise StdinNotImplementedError(
        "raw_input was called, but this frontend does not support input "
        "requests."
    )


# -- the process ------------------------------------------------------------


class Student(Peer):
    """The side of the pipe that runs the student's code."""

    tells_changes = True

    def __init__(self, channel: Channel) -> None:
        super().__init__(channel)
        if not _prepared:
            prepare()
        self._shell = _prepared.pop()
        self._taken: dict[str, _Taken] = {}
        self._armed: list[str] = []
        self._used: list[str] = []
        self._trials: list[tuple] = []
        self._states: tuple | None = None  # of chance, before the trials
        self._measure: Any = None
        self._is_busy = False
        self._is_late = False  # an interrupt came while it was not
        self._silence = _Silence()

    def serve_all(self) -> None:
        """Serve requests until the other side closes."""
        torch.set_num_threads(1)
        signal.signal(signal.SIGINT, self._interrupted)
        sys.stdout = sys.stderr = self._silence
        self._shell.display_pub.silence = self._silence
        sys.stdin = open(os.devnull)  # noqa: SIM115, for as long as we live
        builtins.input = _no_input
        getpass.getpass = _no_input
        # A kernel without a debugger passes `breakpoint()` over, too.
        sys.breakpointhook = nothing
        _find_own_modules()
        # In a notebook `exit()` ends the kernel; here it ends the cell.
        self._shell.user_ns.update(exit=sys.exit, quit=sys.exit)
        with contextlib.suppress(ClosedError):
            while True:
                self.serve(*self.receive())

    def _interrupted(self, *arguments: object) -> None:
        # One that comes late must not end the process.
        if self._is_busy:
            raise KeyboardInterrupt
        self._is_late = True

    def _exchange(
        self, kind: str, code: Any, packer: Packer
    ) -> tuple[Any, memoryview]:
        """Send a request of the student's code; be stopped only after it."""
        was_busy, self._is_busy, self._is_late = self._is_busy, False, False
        try:
            reply = super()._exchange(kind, code, packer)
        finally:
            self._is_busy = was_busy
        if self._is_late:
            raise KeyboardInterrupt
        return reply

    def served(self) -> dict[str, Callable]:
        return {
            **super().served(),
            "start": self._on_data(self._start),
            "cell": self._on_data(self._run_cell),
            "names": self._on_data(self._names),
            "begin": self._on_data(self._begin),
            "end": self._on_data(self._end),
            "watch": self._on_data(self._watch),
            "seen": self._on_data(self._seen),
            "loop": self._on_data(self._has_loop),
        }

    def _on_data(self, handler: Callable) -> Callable:
        def handle(code: Any, body: memoryview) -> tuple[Any, Packer]:
            value = Unpacker(body, self._stand_in).unpack(code)
            packer = Packer(self._mark)
            return packer.pack(handler(value)), packer

        return handle

    def described(self, error: BaseException) -> tuple:
        kinds, *rest = super().described(error)
        if type(error) is TakenAwayError:
            kinds = ("attnbook.TakenAwayError",)
        if type(error) is Flood:
            kinds = ("attnbook.Flood",)
        return kinds, *rest

    @contextlib.contextmanager
    def _busy(self) -> Iterator[None]:
        was_busy, self._is_busy = self._is_busy, True
        try:
            yield
        finally:
            self._is_busy = was_busy

    # -- cells -----------------------------------------------------------

    def _start(self, forbidden: Sequence[str]) -> None:
        for name in forbidden:
            if name != "loop" and name not in self._taken:
                self._taken[name] = _Taken(name, self)
        if any(name.startswith("torch.autograd") for name in forbidden):
            take_engine(self)
            take_duals(self)
            guard_hooks(self)
            guard_threads(self)

    def _run_cell(self, source: str) -> tuple | None:
        """Run a cell; return the description of its exception, if any."""
        self._silence.written = 0
        if self._states is not None:
            random.setstate(self._states[0])
            np.random.set_state(self._states[1])
            torch.set_rng_state(self._states[2])
            self._states = None
        trouble = None
        try:
            with self._busy():
                result = self._shell.run_cell(source, store_history=True)
            trouble = result.error_before_exec or result.error_in_exec
        except BaseException as error:
            trouble = error
        with contextlib.suppress(Exception):
            if "matplotlib.pyplot" in sys.modules:
                sys.modules["matplotlib.pyplot"].close("all")
        sys.stdout = sys.stderr = self._silence
        if trouble is None:
            return None
        return self.described(trouble)

    def _names(self, names: Sequence[str]) -> dict[str, Any]:
        space = self._shell.user_ns
        return {name: space[name] for name in names if name in space}

    def _has_loop(self, target: Any) -> bool:
        return inspection.has_loop(target)

    # -- trials ----------------------------------------------------------

    def _begin(self, forbidden: Sequence[str]) -> None:
        if self._states is None:
            self._states = (
                random.getstate(),
                np.random.get_state(),
                torch.get_rng_state(),
            )
        first = next(self._number)
        self._trials.append((self._armed, self._used, first))
        random.seed(0)
        np.random.seed(0)
        torch.default_generator.manual_seed(0)
        self._silence.written = 0
        self._armed, self._used = list(forbidden), []
        if _DUALS in forbidden:
            leave_duals()

    def _end(self, theirs: int) -> list[str]:
        if not self._trials:
            raise WireError("no trial has begun")
        used = self._used
        self._armed, self._used, first = self._trials.pop()
        given = [number for number in self._stand_ins if number >= theirs]
        self.release(first, given)
        return list(dict.fromkeys(used))

    def refuse(self, name: str) -> None:
        """Raise where a function is called that is taken away now.

        Raises
        ------
        TakenAwayError
            When it is one of those of this trial.
        """
        if name in self._armed:
            self._used.append(name)
            raise TakenAwayError(name)

    def refuse_engine(self) -> None:
        """Raise where gradients are had by whatever road."""
        for name in self._armed:
            if name.startswith("torch.autograd"):
                self.refuse(name)

    def _guarded_graph(self) -> contextlib.AbstractContextManager:
        """Refuse a backward pass where it reads what it has kept.

        That is where the engine comes by, whoever has called it.
        """
        if not any(name.startswith("torch.autograd") for name in self._armed):
            return contextlib.nullcontext()
        return self.guarded_graph()

    @contextlib.contextmanager
    def guarded_graph(self) -> Iterator[None]:
        """Let a backward pass in this thread ask first, whenever it runs."""

        def read(tensor: torch.Tensor) -> torch.Tensor:
            self.refuse_engine()
            return tensor

        _push_hooks(lambda tensor: tensor, read)
        try:
            yield
        finally:
            _pop_hooks()

    def differentiate(self, pairs: list, leaves: list) -> list:
        armed, self._armed = self._armed, []
        try:
            with self._busy():
                return super().differentiate(pairs, leaves)
        finally:
            self._armed = armed

    # -- calls -----------------------------------------------------------

    def invoke(
        self, how: str, target: Any, arguments: tuple, keywords: dict
    ) -> Any:
        measure = self._measure or contextlib.nullcontext()
        with self._busy(), measure, self._guarded_graph():
            return super().invoke(how, target, arguments, keywords)

    def _watch(self, kind: str) -> None:
        if kind not in MEASURES:
            raise WireError("a measure that is not known")
        self._measure = MEASURES[kind]()

    def _seen(self, _: None) -> int:
        measure, self._measure = self._measure, None
        return int(measure.amount) if measure else 0

    def stand_in(self, mark: Mark) -> Callable:
        """Return the function that calls one of the grader's."""
        era = self.era

        def given(*arguments, **keywords):
            if self.era != era:
                raise ReferenceError(
                    f"`{mark.name}` can be called only while the call lasts "
                    "that it was given to"
                )
            return transforms.through(call, arguments, keywords)

        def call(*arguments, **keywords):
            return self.call(mark.number, arguments, keywords)

        given.__name__ = given.__qualname__ = mark.name
        return given


# -- functions that are taken away ---------------------------------------


class _Taken:
    """A function in whose place stands one that can refuse."""

    def __init__(self, name: str, student: Student) -> None:
        owner, attribute = inspection.resolved(name)
        original = getattr(owner, attribute)

        @functools.wraps(original)
        def asked(*arguments, **keywords):
            student.refuse(name)
            return original(*arguments, **keywords)

        setattr(owner, attribute, asked)


_DUALS = "torch.autograd.forward_ad.enter_dual_level"


def take_duals(student: Student) -> None:
    """Let every way to derivatives in forward mode ask first."""
    original = torch._C._enter_dual_level

    def asked() -> int:
        student.refuse(_DUALS)
        return original()

    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", {})
        for name in ("_enter_dual_level", "_enter_dual_level_impl"):
            if names.get(name) is original:
                setattr(module, name, asked)


# Of what is saved for a backward pass, as it is read.
_push_hooks = torch._C._autograd._push_saved_tensors_default_hooks
_pop_hooks = torch._C._autograd._pop_saved_tensors_default_hooks
_HOOKS = (
    "_push_saved_tensors_default_hooks",
    "_pop_saved_tensors_default_hooks",
    "_saved_tensors_hooks_disable",
    "_saved_tensors_hooks_enable",
    "_saved_tensors_hooks_set_tracing",
)
_STARTS = (
    *("start_new", "start_new_thread", "start_joinable_thread"),
    *("_start_new_thread", "_start_joinable_thread"),
)


def guard_hooks(student: Student) -> None:
    """Let nobody take the guard off a graph who may not differentiate.

    Below the engine's functions in Python there are others, in TorchScript
    and among the operators; a graph can be walked node by node, too. All of
    them read what was saved.
    """
    module = torch._C._autograd
    for name in _HOOKS:
        if original := getattr(module, name, None):
            setattr(module, name, _asking(student, original))


def _asking(student: Student, original: Callable) -> Callable:
    def asked(*arguments, **keywords):
        student.refuse_engine()
        return original(*arguments, **keywords)

    return asked


def guard_threads(student: Student) -> None:
    """Guard the graphs of threads, each of which has hooks of its own."""
    for module in (_thread, threading):
        for name in _STARTS:
            if original := getattr(module, name, None):
                setattr(module, name, _starting(student, original))


def _starting(student: Student, original: Callable) -> Callable:
    def start(function, *more, **keywords):
        def run(*arguments, **options):
            with student.guarded_graph():
                return function(*arguments, **options)

        return original(run, *more, **keywords)

    return start


def leave_duals() -> None:
    """Leave forward mode, which may have been entered beforehand."""
    with contextlib.suppress(RuntimeError):
        torch._C._exit_dual_level(level=0)


def take_engine(student: Student) -> None:
    """Let every way to the engine of autograd ask first."""
    graph = importlib.import_module("torch.autograd.graph")
    original = graph._engine_run_backward

    @functools.wraps(original)
    def asked(*arguments, **keywords):
        student.refuse_engine()
        return original(*arguments, **keywords)

    for module in list(sys.modules.values()):
        names = getattr(module, "__dict__", {})
        if names.get("_engine_run_backward") is original:
            module._engine_run_backward = asked

    engine = torch.autograd.Variable._execution_engine

    class Engine:
        def __getattr__(self, name: str) -> Any:
            return getattr(engine, name)

        def run_backward(self, *arguments, **keywords):
            student.refuse_engine()
            return engine.run_backward(*arguments, **keywords)

    torch.autograd.Variable._execution_engine = Engine()
    torch._C._ImperativeEngine = Engine
    torch._C._EngineBase = Engine
