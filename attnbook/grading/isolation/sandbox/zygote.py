"""The server inside the sandbox: forks a child for each submission.

It has imported what a submission needs, so that no submission pays for
that, and runs none of a submission's code itself. For each child it forks a
supervisor, which takes namespaces, forks the child, waits for it and tells
how it ended::

    grader ── control socket ── zygote ── channel ── supervisor ── child
       └──────────────── a fresh pair of sockets ──────────────────┘

Whoever sees the other end of its channel close ends what is below it.
The messages are lines of JSON; see
:mod:`attnbook.grading.isolation.sandbox.spawning`.

It must have one thread only: a fork copies no other, and the child would wait
for it for ever.
"""

from __future__ import annotations

import array
import base64
import contextlib
import gc
import importlib
import json
import os
import select
import selectors
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from attnbook.grading.isolation.limits import Limits
from attnbook.grading.isolation.sandbox import confinement

if sys.platform != "win32":
    import resource

_OUT_OF_MEMORY = 86  # exit status of a child that could not get memory
# Linux does not count the threads of root. Whoever has so many times as many
# as it may, when looked at, is ended.
_MANY_THREADS = 4
_LOOK = 0.1  # seconds from one look to the next
_MOST_LINE = 1 << 20


class Lines:
    """Messages over a stream socket: lines of JSON, and descriptors."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.descriptors: list[int] = []
        self._rest = b""

    def send(self, message: dict, descriptor: int | None = None) -> None:
        """Send a message, with a file descriptor if one is given."""
        data = json.dumps(message).encode() + b"\n"
        if descriptor is not None:
            sent = socket.send_fds(self.sock, [data], [descriptor])
            data = data[sent:]
        self.sock.sendall(data)

    def receive(self) -> list[dict]:
        """Wait for data; return whole messages, perhaps none.

        Raises
        ------
        EOFError
            When the other side has closed.
        ValueError
            When what came is not a message.
        """
        size = array.array("i").itemsize
        data, extra, _, _ = self.sock.recvmsg(
            1 << 16, socket.CMSG_SPACE(8 * size)
        )
        for level, kind, content in extra:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                found = array.array("i")
                found.frombytes(content[: len(content) // size * size])
                self.descriptors += found
        if not data:
            raise EOFError("the other side has closed")
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MOST_LINE:
            raise ValueError("a message without end")
        return [json.loads(line) for line in lines]


@dataclass(frozen=True)
class _Plan:
    """What every child of this zygote has in common."""

    entry: str
    is_isolated: bool
    system_calls: bytes


def main() -> int:
    """Serve the control socket whose descriptor the first argument is."""
    control = Lines(socket.socket(fileno=int(sys.argv[1])))
    messages: list[dict] = []
    while not messages:
        messages = control.receive()
    try:
        plan = _prepare(messages[0])
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        control.send({"event": "failed", "reason": text})
        return 1
    control.send({"event": "ready"})
    _Server(control, plan).serve()
    return 0


def _prepare(settings: dict) -> _Plan:
    for name in settings["modules"]:
        importlib.import_module(name)
    if "torch" in sys.modules:
        # Before any operation: pools of threads do not survive a fork.
        sys.modules["torch"].set_num_threads(1)
    _function(settings["entry"])
    imported = f"importing {', '.join(settings['modules'])}"
    threads = _count_threads()
    if threads > 1:
        raise RuntimeError(
            f"{imported} started threads ({threads} in all); a process with "
            "threads cannot be forked"
        )
    if shared := _shared_memory():
        raise RuntimeError(
            f"{imported} made memory that forked processes share and write "
            f"({', '.join(shared)}); children could reach each other by it"
        )
    # What is old already is looked at by no collection in a child, so
    # that its memory stays shared.
    gc.collect()
    gc.freeze()
    return _Plan(
        settings["entry"],
        settings["isolation"] == "bubblewrap",
        base64.b64decode(settings["filter"]),
    )


def _count_threads() -> int:
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        return 1  # elsewhere than on Linux nobody tells


def _shared_memory() -> list[str]:
    """Return the places of memory that a fork does not copy."""
    try:
        with open("/proc/self/maps", encoding="utf-8") as file:
            found = [line.split(None, 5) for line in file]
    except OSError:
        return []
    return [
        words[-1].strip()
        for words in found
        if words[1].startswith("rw") and words[1].endswith("s")
    ]


def _function(entry: str) -> Callable[[socket.socket], object]:
    module, _, name = entry.partition(":")
    return getattr(importlib.import_module(module), name)


class _Server:
    def __init__(self, control: Lines, plan: _Plan) -> None:
        self._control = control
        self._plan = plan
        self._children: dict[int, tuple[int, Lines]] = {}
        self._selector = selectors.DefaultSelector()

    def serve(self) -> None:
        """Work until the grader closes the control socket."""
        self._selector.register(self._control.sock, selectors.EVENT_READ, None)
        while True:
            for key, _ in self._selector.select():
                if key.data is not None:
                    self._pass_on(key.data)
                    continue
                try:
                    messages = self._control.receive()
                except EOFError:
                    # All channels close with this process.
                    return
                for message in messages:
                    self._obey(message)

    def _obey(self, message: dict) -> None:
        number = message["child"]
        if message["do"] == "spawn":
            descriptor = self._control.descriptors.pop(0)
            try:
                self._spawn(number, descriptor, Limits(**message["limits"]))
            except OSError as error:
                self._tell(number, event="failed", reason=str(error))
            finally:
                os.close(descriptor)
        elif number in self._children:
            _, channel = self._children[number]
            with contextlib.suppress(OSError):
                if message["do"] == "interrupt":
                    channel.sock.send(b"!")  # nothing else is ever sent
                else:
                    channel.sock.shutdown(socket.SHUT_WR)

    def _spawn(self, number: int, descriptor: int, limits: Limits) -> None:
        near, far = socket.socketpair()
        try:
            process = os.fork()
            if process == 0:
                _supervise(far, descriptor, limits, self._plan)
        except OSError:
            near.close()
            raise
        finally:
            far.close()
        self._children[number] = process, Lines(near)
        self._selector.register(near, selectors.EVENT_READ, number)

    def _pass_on(self, number: int) -> None:
        process, channel = self._children[number]
        try:
            for message in channel.receive():
                self._tell(number, **message)
        except (EOFError, OSError):
            self._selector.unregister(channel.sock)
            channel.sock.close()
            del self._children[number]
            os.waitpid(process, 0)
            self._tell(number, event="gone")

    def _tell(self, number: int, **message: object) -> None:
        self._control.send({"child": number, **message})


def _supervise(
    channel: socket.socket, descriptor: int, limits: Limits, plan: _Plan
) -> NoReturn:
    """Fork the child, wait for it, tell how it ended. Never returns."""
    status = 1
    try:
        lines = Lines(channel)
        try:
            confinement.close_all_but(0, 1, 2, channel.fileno(), descriptor)
            _watch_over(lines, descriptor, limits, plan)
            status = 0
        except BaseException as error:
            lines.send({"event": "failed", "reason": _text(error)})
    finally:
        os._exit(status)


def _text(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"


def _watch_over(
    lines: Lines, descriptor: int, limits: Limits, plan: _Plan
) -> None:
    if plan.is_isolated:
        confinement.take_namespaces()
        # After the namespaces: new privileges clear it. Without a sandbox
        # it must outlive the zygote a little, to clean up.
        confinement.die_with_parent()
    home = (
        ""
        if plan.is_isolated
        else tempfile.mkdtemp(prefix="attnbook-student-")
    )
    bell, ringer = socket.socketpair()
    for end in (bell, ringer):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(ringer.fileno())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    processes = _processes()  # which the child hides
    child = os.fork()
    if child == 0:
        _become_student(lines, descriptor, home, limits, plan)
    os.close(descriptor)
    threads = _threads_of(child, processes)
    most = _MANY_THREADS * limits.threads
    was_asked = has_many = False
    try:
        while True:
            found, status, used = os.wait4(child, os.WNOHANG)
            if found:
                break
            watched = [bell] if was_asked else [bell, lines.sock]
            readable, _, _ = select.select(watched, [], [], _LOOK)
            # Beside the threads, a folder of them has two links.
            if threads and os.fstat(threads).st_nlink - 2 > most:
                has_many = True
                os.kill(child, signal.SIGKILL)
            if bell in readable:
                with contextlib.suppress(BlockingIOError):
                    bell.recv(4096)
            if lines.sock in readable and lines.sock.recv(4096):
                os.kill(child, signal.SIGINT)
            elif lines.sock in readable:
                # The zygote wants the end, or has come to its own.
                was_asked = True
                os.kill(child, signal.SIGKILL)
    finally:
        if home:
            # Whatever stayed in its process group. In the sandbox the end
            # of process 1 is the end of all.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child, signal.SIGKILL)
            shutil.rmtree(home, ignore_errors=True)
    how = _how(status, used, before, was_asked, limits)
    if has_many and not was_asked:
        how = "threads"
    lines.send(
        {
            "event": "ended",
            "how": how,
            "cpu": used.ru_utime + used.ru_stime,
            "memory": _bytes(used.ru_maxrss),
        }
    )


def _processes() -> int | None:
    try:
        return os.open("/proc", os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None  # elsewhere than on Linux


def _threads_of(child: int, processes: int | None) -> int | None:
    """Open the folder of a child's threads, where there is one."""
    if processes is None:
        return None
    try:
        return os.open(f"{child}/task", os.O_RDONLY, dir_fd=processes)
    except OSError:
        return None  # it has ended already


def _how(
    status: int,
    used: resource.struct_rusage,
    before: int,
    was_asked: bool,
    limits: Limits,
) -> str:
    """Say in a word how a child ended."""
    code = os.waitstatus_to_exitcode(status)
    if code == _OUT_OF_MEMORY:
        return "memory"
    if code >= 0:
        return f"exit {code}"
    number = -code
    if number == signal.SIGXCPU:
        return "cpu"
    if number == signal.SIGKILL:
        if was_asked:
            return "killed"
        # The kernel sends this one itself, for one of two reasons. It
        # counts ticks for the limit, so the two seconds may differ much
        # on a busy machine.
        seconds = used.ru_utime + used.ru_stime
        return "cpu" if seconds >= limits.cpu / 2 else "memory"
    taken = _bytes(used.ru_maxrss - before)
    if taken >= 0.9 * limits.memory * (1 << 20):
        return "memory"
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _bytes(most: int) -> int:
    # ru_maxrss is in KiB on Linux, in bytes on macOS.
    return most if sys.platform == "darwin" else most * 1024


def _become_student(
    lines: Lines, descriptor: int, home: str, limits: Limits, plan: _Plan
) -> NoReturn:
    status = 1
    try:
        try:
            entry = _function(plan.entry)
            sock = _confine(lines, descriptor, home, limits, plan)
        except BaseException as error:
            lines.send({"event": "failed", "reason": _text(error)})
            os._exit(status)
        try:
            entry(sock)
            status = 0
        except MemoryError:
            status = _OUT_OF_MEMORY
    finally:
        os._exit(status)


def _confine(
    lines: Lines, descriptor: int, home: str, limits: Limits, plan: _Plan
) -> socket.socket:
    """Give up all rights; return the socket to the grader."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # The grader may have left it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    confinement.die_with_parent()
    channel = lines.sock.fileno()
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    confinement.close_all_but(0, 1, 2, channel, descriptor)
    in_use = confinement.address_space()
    confinement.die_first()
    others = confinement.other_threads(plan.is_isolated)
    if plan.is_isolated:
        confinement.hide_files(limits)
    else:
        os.environ.update(HOME=home, TMPDIR=home)
        tempfile.tempdir = None
        os.chdir(home)
    confinement.take_limits(limits, in_use, others)
    if plan.is_isolated:
        confinement.give_up_privileges()
        confinement.filter_system_calls(plan.system_calls)
    lines.send({"event": "started"})
    lines.sock.close()
    return socket.socket(fileno=descriptor)


if __name__ == "__main__":
    sys.exit(main())
