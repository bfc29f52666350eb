"""The grader's side of the sandbox: a zygote, and children of it.

::

    with Zygote(Limits(), "bubblewrap", ["torch"], "module:serve") as zygote:
        child = zygote.spawn()
        child.sock.sendall(b"...")  # the other end is what `serve` got
        zygote.kill(child)
        zygote.wait(child)          # "killed"
"""

from __future__ import annotations

import base64
import contextlib
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal

from attnbook.grading.isolation.limits import Limits
from attnbook.grading.isolation.sandbox import bubblewrap, pruned
from attnbook.grading.isolation.sandbox.confinement import HOME
from attnbook.grading.isolation.sandbox.system_calls import compiled_filter
from attnbook.grading.isolation.sandbox.zygote import Lines

Isolation = Literal["bubblewrap", "none"]

_START = 120.0  # seconds for a zygote to import what it imports
_SPAWN = 30.0  # seconds for a child to be ready
_END = 10.0  # seconds for the kernel to end a child

# Each child is one of several at work, so one thread each. The hash seed,
# for answers that depend on the order of a set.
_ENVIRONMENT = {
    "HOME": HOME,
    "IPYTHONDIR": f"{HOME}/.ipython",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "LOGNAME": "student",
    "MALLOC_ARENA_MAX": "2",
    "MKL_NUM_THREADS": "1",
    "MPLBACKEND": "Agg",
    "MPLCONFIGDIR": "/tmp/matplotlib",
    "NUMEXPR_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PATH": "/usr/bin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONUTF8": "1",
    "TMPDIR": "/tmp",
    "TZ": "UTC",
    "USER": "student",
}


class SandboxError(RuntimeError):
    """The sandbox cannot be started, or has broken down."""


@dataclass
class Child:
    """A process for one submission.

    Attributes
    ----------
    sock
        The grader's end of the pair whose other end the child has.
    number
        Counts the children of a zygote.
    how
        How it ended: "exit N", "killed" (by :meth:`Zygote.kill`), "cpu",
        "memory", "threads", or the name of a signal; empty while it runs.
    cpu, most_memory
        Seconds of processor time and bytes of memory at the most, of which
        it shares most with its zygote; known when it has ended.
    """

    sock: socket.socket
    number: int
    how: str = ""
    cpu: float = 0.0
    most_memory: int = 0
    is_started: bool = field(default=False, repr=False)
    is_gone: bool = field(default=False, repr=False)
    failure: str = field(default="", repr=False)


class Zygote:
    """A process in the sandbox that forks a child for each submission.

    Parameters
    ----------
    limits
        Of each child, unless :meth:`spawn` is given others.
    isolation
        "bubblewrap", or "none" for children that are only processes of their
        own with limits.
    modules
        What it imports at its start.
    entry
        The function, as ``module:name``, that a child calls with its
        socket; its return is the child's end.
    package
        The folder that holds the `attnbook` which children see; None makes
        the pruned copy.

    Notes
    -----
    Bubblewrap kills the sandbox when the *thread* that started it ends, so
    start it in the main thread.
    """

    def __init__(
        self,
        limits: Limits,
        isolation: Isolation,
        modules: Sequence[str] = (),
        entry: str = "attnbook.grading.isolation.student:serve",
        package: Path | None = None,
    ) -> None:
        if isolation not in ("bubblewrap", "none"):
            raise ValueError(
                f"isolation must be 'bubblewrap' or 'none'; got {isolation!r}."
            )
        self.limits = limits
        self.isolation = isolation
        self._settings = {
            "entry": entry,
            "isolation": isolation,
            "modules": list(modules),
        }
        self._given_package = package
        self._cleaning = contextlib.ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: Lines | None = None
        self._children: dict[int, Child] = {}
        self._count = 0
        self._failure = ""
        self._is_ready = False

    def __enter__(self) -> Zygote:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def is_alive(self) -> bool:
        """Whether it can spawn."""
        return (
            self._process is not None
            and self._control is not None
            and self._process.poll() is None
        )

    def start(self) -> None:
        """Start it, and wait until it has imported its modules.

        Raises
        ------
        SandboxError
            When the sandbox cannot be made here, or an import fails.
        """
        if self._process is not None:
            raise SandboxError("This zygote has been started already.")
        if not hasattr(os, "fork"):
            raise SandboxError(
                "Python cannot fork on this system. Grade in WSL 2, the "
                "Linux inside Windows."
            )
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        is_isolated = self.isolation == "bubblewrap"
        package = self._given_package
        if package is None:
            folder = self._cleaning.enter_context(
                tempfile.TemporaryDirectory(prefix="attnbook-package-")
            )
            package = pruned.make(Path(folder))
        errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._cleaning.enter_context(errors)
        near, far = socket.socketpair()
        self._control = Lines(near)
        with far:
            program = [
                sys.executable, "-P", "-s",
                "-m", "attnbook.grading.isolation.sandbox.zygote",
                str(far.fileno()),
            ]  # fmt: skip
            environment = dict(_ENVIRONMENT)
            packages = [str(package), *map(str, bubblewrap.own_packages())]
            filter_ = b""
            if is_isolated:
                filter_ = _filter()
                program = _wrapped(package, program)
                packages = [
                    bubblewrap.PACKAGE,
                    *map(bubblewrap.inside, bubblewrap.own_packages()),
                ]
            else:
                home = self._cleaning.enter_context(
                    tempfile.TemporaryDirectory(
                        prefix="attnbook-zygote-", ignore_cleanup_errors=True
                    )
                )
                environment.update(
                    HOME=home,
                    IPYTHONDIR=f"{home}/.ipython",
                    MPLCONFIGDIR=f"{home}/matplotlib",
                    TMPDIR=home,
                )
            environment["PYTHONPATH"] = os.pathsep.join(packages)
            self._process = subprocess.Popen(
                program,
                env=environment,
                pass_fds=[far.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd="/",
                # A Ctrl-C in the terminal is for the grader alone.
                start_new_session=True,
            )
        settings = dict(
            self._settings, filter=base64.b64encode(filter_).decode()
        )
        with contextlib.suppress(OSError):
            self._control.send(settings)
        if not self._read_until(lambda: self._is_ready, _START):
            errors.seek(0)
            said = errors.read().decode("utf-8", "replace").strip()
            reason = self._failure or said.split("\n")[-1]
            raise SandboxError(
                "The sandbox did not start: "
                + (reason or f"nothing came in {_START:.0f} seconds")
            )

    def spawn(self, limits: Limits | None = None) -> Child:
        """Fork a child, and wait until it has given up its rights.

        Raises
        ------
        SandboxError
            When the zygote has ended, or the child could not be confined;
            then it has run no code.
        """
        if not self._is_ready:
            raise SandboxError("The zygote has not been started.")
        if self._control is None:
            raise SandboxError(
                "No child can be started: "
                + (self._failure or "the zygote has been closed")
            )
        near, far = socket.socketpair()
        self._count += 1
        child = Child(near, self._count)
        self._children[child.number] = child
        message = {
            "do": "spawn",
            "child": child.number,
            "limits": asdict(limits or self.limits),
        }
        try:
            with far:
                self._control.send(message, far.fileno())
        except OSError as error:
            child.is_gone = True
            child.failure = str(error)
        self._read_until(lambda: child.is_started or child.is_gone, _SPAWN)
        if child.is_started:
            return child
        near.close()
        self._children.pop(child.number, None)
        raise SandboxError(
            "No child could be started in the sandbox: "
            + (child.failure or self._failure or "it did not answer")
        )

    def interrupt(self, child: Child) -> None:
        """Send a child the signal of Ctrl-C, which it may ignore."""
        self._tell("interrupt", child)

    def kill(self, child: Child) -> None:
        """Ask for the end of a child, and of all that it started."""
        self._tell("kill", child)

    def _tell(self, do: str, child: Child) -> None:
        if not child.is_gone and self._control is not None:
            with contextlib.suppress(OSError):
                self._control.send({"do": do, "child": child.number})

    def wait(self, child: Child, timeout: float = _END) -> str:
        """Wait until nothing of a child is left; return how it ended.

        Parameters
        ----------
        timeout
            Seconds.

        Raises
        ------
        TimeoutError
            When it still runs.
        """
        if not self._read_until(lambda: child.is_gone, timeout):
            raise TimeoutError(
                f"Child {child.number} still runs after {timeout} seconds."
            )
        child.sock.close()
        return child.how

    def close(self) -> None:
        """End the zygote and all its children. May be called again."""
        if self._control is not None:
            self._control.sock.close()
            self._control = None
        for child in self._children.values():
            _gone(child)
        self._children.clear()
        if self._process is not None:
            try:
                self._process.wait(_END)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._cleaning.close()

    def _read_until(self, is_done, timeout: float) -> bool:
        """Read what the zygote tells until something is so."""
        end = time.monotonic() + timeout
        while not is_done():
            if self._control is None:
                return False
            left = end - time.monotonic()
            if left <= 0:
                return False
            readable, _, _ = select.select([self._control.sock], [], [], left)
            if not readable:
                continue
            try:
                for message in self._control.receive():
                    self._note(message)
            except (EOFError, OSError):
                self._lose()
        return True

    def _note(self, message: dict) -> None:
        event = message["event"]
        if "child" not in message:
            self._is_ready = event == "ready"
            self._failure = message.get("reason", "")
            return
        child = self._children.get(message["child"])
        if child is None:
            return
        if event == "started":
            child.is_started = True
        elif event == "failed":
            child.failure = message["reason"]
        elif event == "ended":
            child.how = message["how"]
            child.cpu = message["cpu"]
            child.most_memory = message["memory"]
        elif event == "gone":
            _gone(child)
            del self._children[child.number]

    def _lose(self) -> None:
        """The zygote has ended, and with it all its children."""
        if self._control is not None:
            self._control.sock.close()
            self._control = None
        if self._is_ready:
            self._failure = "its zygote has ended"
        for child in self._children.values():
            _gone(child)
        self._children.clear()


def _gone(child: Child) -> None:
    child.is_gone = True
    child.how = child.how or "killed"


def _filter() -> bytes:
    try:
        return compiled_filter()
    except ImportError as error:
        raise SandboxError(
            f"libseccomp is missing here ({error}); it takes the package "
            "pyseccomp and the system's libseccomp2."
        ) from error


def _wrapped(package: Path, program: list[str]) -> list[str]:
    bwrap = bubblewrap.find()
    if bwrap is None:
        raise SandboxError("bubblewrap (`bwrap`) is not installed here.")
    # An environment may be moved; the Python that it was made from may not,
    # as the environment knows it by its path.
    base = sys.base_prefix
    if sys.prefix != base and bubblewrap.inside(base) != base:
        raise SandboxError(
            f"The Python of this environment lies in {base}, which is empty "
            "in the sandbox. Make the environment from a Python that is "
            "installed somewhere else."
        )
    program = [bubblewrap.inside(program[0]), *program[1:]]
    return bubblewrap.command(bwrap, package, program)
