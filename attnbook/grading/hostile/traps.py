"""What is set up to see whether a hostile notebook got out.

A server on this machine, a gradebook and results to write to, and a token
that every file of the corpus bears in its name. Whoever opens the traps
learns afterwards, in words, what got out.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import site
import socket
import sqlite3
import sys
import tempfile
import threading
import time
from hashlib import sha256
from pathlib import Path

# Where a root may leave files, and where everybody may.
_SHARED = (
    "/", "/dev", "/dev/shm", "/etc", "/home", "/opt", "/run", "/tmp",
    "/usr/lib", "/usr/local/bin", "/var/tmp",
)  # fmt: skip
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")  # of all
_LOOKS, _BETWEEN = 50, 0.1  # seconds between looks for processes
_BECOME_THEIR_PARENT = 36  # PR_SET_CHILD_SUBREAPER


class Traps:
    """A context in which hostile notebooks are run and watched.

    Orphans that they leave become this process's own children for as long
    as it lasts, so that none is overlooked.

    Parameters
    ----------
    exercises
        The folder of the released notebooks, which must not change.
    """

    def __init__(self, exercises: Path) -> None:
        self.exercises = exercises.resolve()
        self.repository = self.exercises.parent
        self.token = f"hostile-{secrets.token_hex(6)}"
        self._heard: list[str] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Traps:
        """Set everything up.

        Raises
        ------
        OSError
            When no socket or folder can be had.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="attnbook-traps-"))
        self._stack.callback(shutil.rmtree, self.folder, True)
        # Whoever can reach it may write it: only the sandbox prevents it.
        os.chmod(self.folder, 0o777)
        self.gradebook = self.folder / "gradebook.db"
        with contextlib.closing(sqlite3.connect(self.gradebook)) as book:
            book.execute("create table grade (auto_score)")
            book.execute("insert into grade values (0)")
            book.commit()
        self.results = self.folder / "results"
        self.results.mkdir()
        os.chmod(self.gradebook, 0o666)
        os.chmod(self.results, 0o777)
        self._listen()
        self._adopt()
        self.expect_processes()
        self._digests = self._kept()
        self._devices = _devices()
        return self

    def __exit__(self, *reason) -> None:
        self._stack.close()

    def fill(self, source: str) -> str:
        """Put what was set up into a source, for names such as __PORT__."""
        for name, value in (
            ("__TOKEN__", self.token),
            ("__PORT__", self.port),
            ("__SOCKET__", self.folder / "socket"),
            ("__GRADEBOOK__", self.gradebook),
            ("__RESULTS__", self.results),
            ("__EXERCISES__", self.exercises),
            ("__REPOSITORY__", self.repository),
            ("__HOME__", Path.home()),
        ):
            source = source.replace(name, str(value))
        return source

    def expect_processes(self) -> None:
        """Take as many processes as there are now for the grader's own."""
        self._processes = len(_children())

    def effects(self) -> dict[str, list[str]]:
        """Say what got out since the last call, by kind of side effect.

        Files that were left are removed, and devices put right again.
        """
        left, kept = self._left(), self._kept()
        found = {
            "file": self._files() + self._changed_devices(),
            "process": [_counted(left)] if left else [],
            "connection": list(self._heard),
            "gradebook": [
                f"{path} was changed"
                for path, digest in kept.items()
                if self._digests.get(path) != digest
            ],
        }
        self._heard.clear()
        self._digests = kept
        return {kind: words for kind, words in found.items() if words}

    def _left(self) -> int:
        """Count processes beyond those expected, once they had time to end.

        The grader's own may have been replaced, so their ids tell nothing.
        """
        for _ in range(_LOOKS):
            left = len(_children()) - self._processes
            if left <= 0:
                return 0
            time.sleep(_BETWEEN)
        return left

    def _kept(self) -> dict[str, str]:
        paths = [self.gradebook, *sorted(self.exercises.glob("*.ipynb"))]
        return {
            str(path): sha256(path.read_bytes()).hexdigest() for path in paths
        }

    def _files(self) -> list[str]:
        home = Path.home()
        places = {
            home,
            home / ".ipython/profile_default/startup",
            home / ".config",
            home / ".jupyter",
            Path.cwd(),
            self.repository,
            self.results,
            Path(__file__).parents[2],  # the package
            *map(Path, site.getsitepackages()),
            *map(Path, _SHARED),
        }
        torch = sys.modules.get("torch")
        if torch is not None:
            places.add(Path(torch.__file__).parent)
        found = []
        for place in places:
            with contextlib.suppress(OSError):
                for path in place.iterdir():
                    if self.token in path.name:
                        found.append(str(path))
                        path.unlink()
        return [f"{path} was left" for path in sorted(found)]

    def _changed_devices(self) -> list[str]:
        found = []
        for path, now in _devices().items():
            before = self._devices.get(path)
            if before and before != now:
                found.append(f"{path} was changed")
                mode, *times = before
                os.chmod(path, mode)
                os.utime(path, ns=tuple(times))
        return found

    def _listen(self) -> None:
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        tcp.bind(("127.0.0.1", 0))
        self.port = tcp.getsockname()[1]
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", self.port))
        named = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        named.bind(str(self.folder / "socket"))
        nameless = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        nameless.bind(f"\0{self.token}")
        for name, line in (
            ("TCP", tcp),
            ("UDP", udp),
            ("a Unix socket", named),
            ("an abstract Unix socket", nameless),
        ):
            self._stack.callback(line.close)
            if line.type == socket.SOCK_STREAM:
                line.listen()
            # A look now and then, so that the thread ends with the socket.
            line.settimeout(0.2)
            threading.Thread(
                target=self._hear, args=(name, line), daemon=True
            ).start()

    def _hear(self, name: str, line: socket.socket) -> None:
        while line.fileno() >= 0:
            try:
                if line.type == socket.SOCK_DGRAM:
                    line.recvfrom(64)
                else:
                    line.accept()[0].close()
            except TimeoutError:
                continue
            except OSError:
                return
            self._heard.append(f"a connection by {name} arrived")

    def _adopt(self) -> None:
        with contextlib.suppress(OSError, AttributeError):
            libc = ctypes.CDLL(None)
            libc.prctl(_BECOME_THEIR_PARENT, 1, 0, 0, 0)
            self._stack.callback(libc.prctl, _BECOME_THEIR_PARENT, 0, 0, 0, 0)


def _devices() -> dict[str, tuple[int, int, int]]:
    """Return mode and times of each device that the sandbox shows."""
    found = {}
    for name in _DEVICES:
        path = f"/dev/{name}"
        with contextlib.suppress(OSError):
            now = os.stat(path)
            mode = now.st_mode & 0o7777
            found[path] = (mode, now.st_atime_ns, now.st_mtime_ns)
    return found


def _counted(left: int) -> str:
    return "1 process is left" if left == 1 else f"{left} processes are left"


def _children() -> set[int]:
    """Return the ids of all processes below this one that still run."""
    parents: dict[int, int] = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            text = Path(entry.path, "stat").read_text()
            state, parent = text.rpartition(")")[2].split()[:2]
            if state not in "ZX":
                parents[int(entry.name)] = int(parent)
    found: set[int] = set()
    fresh = {os.getpid()}
    while fresh:
        fresh = {
            pid for pid, parent in parents.items() if parent in fresh
        } - found
        found |= fresh
    return found
