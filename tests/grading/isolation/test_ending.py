"""The sandbox: how a child ends, by itself or at a limit."""

import errno
import json
import os
import platform
import signal

import pytest
from probing import (
    PATIENCE,
    SMALL,
    Probe,
    ended,
    status_of,
    the_student,
    wait_for_the_end,
)

from attnbook.grading.isolation.limits import Limits
from attnbook.grading.isolation.sandbox import Zygote


@pytest.mark.parametrize(
    ("program", "how"),
    [
        ("import os; os._exit(3)", {"exit 3"}),
        ("raise SystemExit", {"exit 1"}),
        ("import ctypes; ctypes.string_at(0)", {"SIGSEGV"}),
        # Process 1 ignores SIGABRT; the C library then goes on to worse.
        ("import os; os.abort()", {"SIGABRT", "SIGSEGV"}),
    ],
)
def test_it_ends_by_itself(either, program, how):
    assert ended(either, program) in how


def test_it_ends_when_the_grader_hangs_up(either):
    one = Probe(either)
    one.stream.close()
    one.child.sock.close()
    assert one.wait() == "exit 0"


def test_it_is_killed_whatever_it_ignores(either):
    one = Probe(either)
    one.run("""
        import signal
        for number in signal.valid_signals():
            try:
                signal.signal(number, signal.SIG_IGN)
            except OSError:
                pass
    """)
    one.tell("while True: pass")
    assert one.end() == "killed"


def test_it_can_be_interrupted(either):
    with Probe(either) as probe:
        probe.tell("""
            try:
                sock.sendall(b"ready\\n")
                while True: pass
            except KeyboardInterrupt:
                found = "interrupted"
        """)
        assert probe.stream.readline() == "ready\n"
        either.interrupt(probe.child)
        assert json.loads(probe.stream.readline()) == "interrupted"


def test_processor_time_is_bounded(either):
    limits = Limits(cpu=1)
    program = """
        import signal
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)
        while True: pass
    """
    assert ended(either, program, limits) == "cpu"


def test_what_the_kernel_kills_ran_out_of_memory(zygote):
    one = Probe(zygote)
    os.kill(the_student(), signal.SIGKILL)
    assert one.wait() == "memory"


def test_it_does_not_outlive_its_supervisor(zygote):
    one = Probe(zygote)
    student = the_student()
    os.kill(int(status_of(student)["PPid"]), signal.SIGKILL)
    assert one.wait() == "killed"
    wait_for_the_end([student])


def test_memory_is_bounded(zygote):
    with Probe(zygote) as probe:
        found = probe.run("""
            import mmap
            found = []
            for make in (bytearray, lambda n: mmap.mmap(-1, n)):
                kept, taken = [], 0
                try:
                    while taken < 1 << 30:
                        kept.append(make(1 << 24))
                        taken += 1 << 24
                except (MemoryError, OSError):
                    pass
                del kept
                found.append(taken >> 20)
        """)
    assert all(128 <= taken <= SMALL.memory for taken in found), found


def test_running_out_of_memory_is_named(package, sandbox):
    for isolation in ("bubblewrap", "none"):
        with Zygote(
            SMALL, isolation, (), "probe:run_out_of_memory", package
        ) as zygote:
            child = zygote.spawn()
            child.sock.sendall(b"!")
            assert zygote.wait(child, PATIENCE) == "memory"


def test_threads_are_bounded(probe):
    found = probe.run("""
        import _thread
        held, found = _thread.allocate_lock(), 0
        held.acquire()
        try:
            while found < 20_000:
                _thread.start_new_thread(held.acquire, ())
                found += 1
        except (RuntimeError, MemoryError):
            pass
    """)
    # Linux does not count the threads of root; there memory bounds them.
    most = SMALL.memory if os.geteuid() == 0 else SMALL.threads
    assert 0 < found <= most


def test_threads_that_need_no_memory_are_bounded_too(zygote):
    """Of these, the memory would hold thousands."""
    one = Probe(zygote)
    one.tell("""
        import _thread, threading
        threading.stack_size(32_768)
        held, found = _thread.allocate_lock(), 0
        held.acquire()
        try:
            while found < 2_000:
                _thread.start_new_thread(held.acquire, ())
                found += 1
        except RuntimeError:
            pass
        if found == 2_000:
            held.acquire()
    """)
    # Where Linux counts them, the next one is refused.
    if answer := one.stream.readline():
        assert json.loads(answer) <= SMALL.threads
        assert one.end() == "killed"
    else:
        assert one.wait() == "threads"


@pytest.mark.parametrize(
    ("call", "numbers"),
    [
        ("inotify_init", {"x86_64": 253, "aarch64": 26}),
        ("inotify_init1", {"x86_64": 294, "aarch64": 26}),
        ("timer_create", {"x86_64": 222, "aarch64": 107}),
    ],
)
def test_what_the_kernel_counts_for_all_of_a_user_is_not_to_be_had(
    probe, call, numbers
):
    found = probe.run(f"""
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        place = ctypes.create_string_buffer(64)
        kind = int({call!r} == "timer_create")
        result = libc.syscall({numbers[platform.machine()]}, kind, None, place)
        found = [result, ctypes.get_errno()]
    """)
    assert found == [-1, errno.EPERM]


def test_signals_that_wait_and_pipes_are_bounded(probe):
    found = probe.run("""
        import fcntl, os, resource
        read, write = os.pipe()
        found = [*resource.getrlimit(resource.RLIMIT_SIGPENDING),
                 fcntl.fcntl(read, 1032) <= 65_536]
        for descriptor, command, value in ((read, 1031, 1 << 20),
                                           (read, 1024, fcntl.F_RDLCK)):
            try:
                fcntl.fcntl(descriptor, command, value)
                found.append("done")
            except OSError:
                found.append("refused")
        # What a program needs still works.
        other = fcntl.fcntl(read, fcntl.F_DUPFD_CLOEXEC, 10)
        os.set_blocking(other, False)
        os.set_inheritable(other, True)
        with open("/tmp/locked", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
        found.append(os.get_blocking(other))
    """)
    assert found == [64, 64, True, "refused", "refused", False]


def test_what_the_kernel_keeps_beyond_the_memory_is_bounded(probe):
    found = probe.run("""
        import fcntl, socket
        one, other = socket.socketpair()
        room = one.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        found = []
        with open("/tmp/locked", "w") as file:
            for take in (
                lambda: fcntl.lockf(file, fcntl.LOCK_EX, 1),
                lambda: fcntl.fcntl(file, 37, bytes(32)),  # F_OFD_SETLK
                lambda: one.setsockopt(
                    socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 30),
                lambda: one.setsockopt(
                    socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 30),
            ):
                try:
                    take()
                    found.append("done")
                except OSError:
                    found.append("refused")
        now = one.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        found.append(now == room)
    """)
    assert found == ["refused"] * 4 + [True]


def test_open_files_are_bounded(probe):
    found = probe.run("""
        kept = []
        try:
            while True:
                kept.append(open("/dev/null"))
        except OSError as error:
            found = [error.errno, len(kept)]
        kept.clear()
    """)
    assert found == [errno.EMFILE, SMALL.open_files - 4]
