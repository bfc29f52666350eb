"""A Python that has loaded what is slow to load, forked for each program.

nbgrader takes seconds to load, torch too, and a course is graded by dozens of
processes. :class:`WarmPython` loads them once. Its ``program`` is called as
Python is, with ``-m MODULE …``; what is called runs in a process of its own,
with the caller's folder, environment and files, and ends with the caller.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import runpy
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

# Nothing of the course: that is loaded anew by each program.
_LOADED = (
    "ipykernel.kernelapp", "nbgrader.apps.nbgraderapp", "nbval.plugin",
    "pytest", "pytest_timeout", "torch",
)  # fmt: skip

_PROGRAM = '''\
#!{python} -IS
"""Asks the warm Python to run a module, and is that process to others."""
import json, os, signal, socket, struct, sys

line = socket.socket(socket.AF_UNIX)
line.connect({address!r})
asked = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(line, [struct.pack("I", len(asked))], [0, 1, 2])
line.sendall(asked)
(child,) = struct.unpack("i", line.recv(4, socket.MSG_WAITALL))
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, _: os.kill(child, number))
(status,) = struct.unpack("i", line.recv(4, socket.MSG_WAITALL))
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
'''


class WarmPython:
    """A context in which there is a warm Python.

    Attributes
    ----------
    program
        The path of what is called in place of ``sys.executable``.
    environment
        The variables with which Jupyter starts its kernels so.
    """

    def __enter__(self) -> WarmPython:
        self._folder = Path(tempfile.mkdtemp(prefix="warm-"))
        address = str(self._folder / "socket")
        self.program = self._folder / "python"
        self.program.write_text(
            _PROGRAM.format(python=sys.executable, address=address)
        )
        self.program.chmod(0o755)
        kernel = self._folder / "kernels/python3/kernel.json"
        kernel.parent.mkdir(parents=True)
        kernel.write_text(
            json.dumps(
                {
                    "argv": [
                        str(self.program),
                        *("-m", "ipykernel_launcher"),
                        *("-f", "{connection_file}"),
                    ],
                    "display_name": "Python 3",
                    "language": "python",
                }
            )
        )
        self.environment = {"JUPYTER_PATH": str(self._folder)}
        # Whoever calls before all is loaded waits in the queue.
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(address)
        listening.listen(64)
        self._server = subprocess.Popen(
            [
                *(sys.executable, __file__),
                *(str(listening.fileno()), str(self.program)),
            ],
            pass_fds=[listening.fileno()],
            stdin=subprocess.PIPE,
        )
        listening.close()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.kill()
        self._server.communicate()
        shutil.rmtree(self._folder)


def _next_program(listening: socket.socket) -> list[str]:
    """Serve for ever; in each program's process, return its arguments."""
    while True:
        line, _ = listening.accept()
        if os.fork():
            line.close()
            continue
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        size, files, *_ = socket.recv_fds(line, 4, 3)
        asked = line.recv(struct.unpack("I", size)[0], socket.MSG_WAITALL)
        child = os.fork()
        if not child:
            line.close()
            listening.close()
            return _become(json.loads(asked), files)
        _watch(line, child)


def _watch(line: socket.socket, child: int) -> None:
    """Tell the caller how the child ends; end it when the caller does."""

    def end_with_the_caller() -> None:
        line.recv(1)  # nothing is sent: it returns when the caller is gone
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)

    line.sendall(struct.pack("i", child))
    threading.Thread(target=end_with_the_caller, daemon=True).start()
    _, status = os.waitpid(child, 0)
    with contextlib.suppress(OSError):
        line.sendall(struct.pack("i", os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _become(asked: list, files: list[int]) -> list[str]:
    arguments, folder, environment = asked
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = filter(None, os.getenv("PYTHONPATH", "").split(os.pathsep))
    return arguments


def main() -> None:
    """Load all; then be whatever is asked for."""
    sys.path.pop(0)  # this folder
    for name in _LOADED:
        importlib.import_module(name)
    gc.freeze()  # so that nobody looks there for garbage
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    file, program = sys.argv[1:]
    listening = socket.socket(fileno=int(file))
    option, module, *arguments = _next_program(listening)
    assert option == "-m"
    sys.path.insert(0, os.getcwd())
    sys.argv[1:] = arguments
    sys.executable = program  # for what this one starts
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
