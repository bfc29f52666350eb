"""The sandbox: what code inside can do, and what is left when it ends."""

import ast
import errno
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import iniconfig
import pytest

from attnbook.grading.isolation.limits import Limits
from attnbook.grading.isolation.sandbox import (
    SandboxError,
    Zygote,
    bubblewrap,
    pruned,
    support,
)
from attnbook.grading.isolation.sandbox import spawning as spawning_module

# What a child here runs: each line that comes is a program, and what it binds
# to `found` goes back. No limits but those of the sandbox.
PROBE = """
import json


def serve(sock):
    space = {"sock": sock}
    with sock.makefile("rw", encoding="utf-8") as stream:
        for line in stream:
            try:
                exec(json.loads(line), space)
                found = space.get("found")
            except Exception as error:
                found = f"{type(error).__name__}: {error}"
            stream.write(json.dumps(found, default=str) + "\\n")
            stream.flush()


def run_out_of_memory(sock):
    sock.sendall(b"started")
    sock.recv(1)
    while True:
        space = bytearray(1 << 30), space
"""
SMALL = Limits(memory=256, disk=4, threads=16, open_files=32, cpu=20)
PATIENCE = 30.0


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = pruned.make(tmp_path_factory.mktemp("package"))
    (folder / "probe.py").write_text(PROBE, "utf-8")
    return folder


@pytest.fixture(scope="module")
def able():
    """Say so, and count it, where this machine cannot run the sandbox."""
    found = support()
    if not found.ok:
        pytest.skip(f"this machine cannot run the sandbox: {found.reason}")


@pytest.fixture(scope="module")
def zygote(package, able):
    with Zygote(SMALL, "bubblewrap", ["ctypes"], "probe:serve", package) as z:
        yield z


@pytest.fixture(scope="module")
def open_zygote(package):
    """Without the sandbox."""
    with Zygote(SMALL, "none", ["ctypes"], "probe:serve", package) as z:
        yield z


class Probe:
    """A child, and programs for it."""

    def __init__(self, zygote, limits=None):
        self.zygote = zygote
        self.child = zygote.spawn(limits)
        self.child.sock.settimeout(PATIENCE)
        self.stream = self.child.sock.makefile("rw", encoding="utf-8")

    def tell(self, program):
        self.stream.write(json.dumps(textwrap.dedent(program)) + "\n")
        self.stream.flush()

    def run(self, program):
        self.tell(program)
        answer = self.stream.readline()
        assert answer, f"it ended: {self.wait()}"
        return json.loads(answer)

    def wait(self):
        return self.zygote.wait(self.child, PATIENCE)

    def end(self):
        self.stream.close()
        self.zygote.kill(self.child)
        return self.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


@pytest.fixture
def probe(zygote):
    with Probe(zygote) as found:
        yield found


@pytest.fixture(params=["zygote", "open_zygote"])
def either(request):
    """A zygote with the sandbox, and one without."""
    return request.getfixturevalue(request.param)


def ended(zygote, program, limits=None):
    """Return how a child ends that runs a program."""
    one = Probe(zygote, limits)
    one.tell(program)
    return one.wait()


# -- what can be seen --------------------------------------------------------


def test_it_sees_a_system_without_a_person(probe):
    found = probe.run("""
        import os, sys
        found = {
            "cwd": os.getcwd(),
            "home": os.listdir(os.path.expanduser("~")),
            "tmp": os.listdir("/tmp"),
            "homes": os.listdir("/home"),
            "proc": os.listdir("/proc"),
            "terminals": os.listdir("/dev/pts"),
            "etc": os.listdir("/etc"),
            "stage": os.listdir("/mnt"),
            "secrets": [p for p in ("/root/.ssh", "/srv", "/sys", "/run")
                        if os.path.exists(p)],
            "host": os.uname().nodename,
            "id": [os.getpid(), os.getppid()],
        }
    """)
    assert found == {
        "cwd": "/home/student",
        "home": [],
        "tmp": [],
        "homes": ["student"],
        "proc": [],
        "terminals": [],
        "etc": ["ld.so.cache"],
        "stage": [],
        "secrets": [],
        "host": "sandbox",
        "id": [1, 0],
    }


def test_the_environment_is_made_from_nothing(package, able, monkeypatch):
    monkeypatch.setenv("TEACHERS_TOKEN", "secret")
    with (
        Zygote(SMALL, "bubblewrap", (), "probe:serve", package) as zygote,
        Probe(zygote) as probe,
    ):
        found = probe.run("import os; found = dict(os.environ)")
    assert "secret" not in str(found)
    assert found["HOME"] == "/home/student"
    assert found["MPLBACKEND"] == "Agg"


def test_of_the_repository_only_the_pruned_package_is_there(probe):
    root = Path(__file__).parents[3]
    inside = [
        "solutions", "exercises", "tests", "attnbook", "experiments",
        "attnbook/judging/exercise.py",
    ]  # fmt: skip
    found = probe.run(f"""
        import os, attnbook
        import attnbook.checks.soft_lookup as checks
        found = {{
            "there": [p for p in {[str(root / p) for p in inside]!r}
                      if os.path.exists(p)],
            "package": attnbook.__file__,
            "result": checks.check_top_k_lookup(print),
            "points": checks.points_so_far(),
            "grading": [file for _, _, files in
                        os.walk("/attnbook/attnbook/grading")
                        for file in files],
        }}
    """)
    assert found["there"] == []
    assert found["package"] == "/attnbook/attnbook/__init__.py"
    assert found["result"] is None
    assert found["points"] is None
    assert "release.py" not in found["grading"]
    assert "limits.py" in found["grading"]


def test_no_file_of_the_grader_is_open_in_it(probe):
    found = probe.run("""
        import os
        found = []
        for number in range(4096):
            try:
                os.fstat(number)
            except OSError:
                continue
            found.append(number)
    """)
    assert len(found) == 4, found  # three to /dev/null, and its socket
    links = probe.run("""
        found = [os.fstat(n).st_rdev for n in (0, 1, 2)]
    """)
    assert set(links) == {os.stat("/dev/null").st_rdev}


# -- what can be written -----------------------------------------------------


def test_it_writes_nowhere_but_in_its_own_places(probe):
    found = probe.run("""
        import os, sys
        found = []
        roots = {"/", "/usr", "/usr/lib", "/usr/bin", "/etc", "/dev", "/home",
                 "/mnt", "/proc", "/attnbook", "/attnbook/attnbook",
                 "/dev/pts", os.path.dirname(os.__file__), sys.prefix}
        for folder in sorted(roots):
            for how in ("open(p, 'w')", "os.mkdir(p)", "os.symlink('x', p)",
                        "os.mkfifo(p)"):
                p = os.path.join(folder, "planted")
                try:
                    eval(how)
                    found.append([folder, how])
                except OSError:
                    pass
    """)
    assert found == []
    assert (
        probe.run("""
        for folder in ("/tmp", "/dev/shm", "/home/student"):
            with open(folder + "/mine", "w") as file:
                file.write("x")
        found = "written"
    """)
        == "written"
    )


def test_nothing_is_left_for_the_next_child(zygote):
    with Probe(zygote) as first:
        first.run("""
            for folder in ("/tmp", "/dev/shm", "/home/student"):
                open(folder + "/left", "w").close()
            import builtins
            builtins.left = True
        """)
        with Probe(zygote) as second:
            found = second.run("""
                import builtins, os
                found = [os.listdir(folder) for folder in
                         ("/tmp", "/dev/shm", "/home/student")]
                found.append(hasattr(builtins, "left"))
            """)
    assert found == [[], [], [], False]


def test_the_disk_is_bounded_over_all_places_together(probe):
    found = probe.run("""
        import os
        written, names = 0, []
        for folder in ("/tmp", "/home/student", "/dev/shm"):
            try:
                with open(folder + "/much", "wb", buffering=0) as file:
                    while True:
                        written += file.write(bytes(1 << 16))
            except OSError as error:
                names.append(error.errno)
        found = [written, names]
    """)
    written, names = found
    assert written <= SMALL.disk * (1 << 20)
    assert written > 0.9 * SMALL.disk * (1 << 20)
    assert set(names) <= {errno.ENOSPC, errno.EFBIG}


def test_files_are_bounded_in_number(probe):
    found = probe.run("""
        found = 0
        try:
            while found < 100_000:
                open(f"/tmp/{found}", "w").close()
                found += 1
        except OSError:
            pass
    """)
    assert 1000 < found < 5000


# -- what can be done --------------------------------------------------------


@pytest.mark.parametrize(
    "program",
    [
        "os.fork()",
        "os.forkpty()",
        "os.execv('/bin/true', ['true'])",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "subprocess.run(['/bin/true'])",
        "multiprocessing.get_context('fork').Process(target=print).start()",
        "socket.socket()",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "socket.socket(socket.AF_UNIX)",
        "socket.create_connection(('127.0.0.1', 80))",
        "os.chroot('/tmp')",
        "os.setuid(0)",
        "os.mknod('/tmp/node', 0o060600, 1)",
        "os.memfd_create('x')",
        "os.pidfd_open(1)",
        "os.setpriority(os.PRIO_PROCESS, 0, -5)",
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40))",
    ],
)
def test_it_is_refused(probe, program):
    found = probe.run(f"""
        import multiprocessing, os, resource, socket, subprocess
        found = "done"
        {program}
    """)
    refused = (
        "PermissionError",
        "ValueError: not allowed to raise maximum limit",
        "FileNotFoundError",  # of terminals
    )
    assert found.startswith(refused)


# By number, past the C library: x86-64 and AArch64 differ.
CALLS = {
    "x86_64": {
        "ptrace": 101, "unshare": 272, "setns": 308, "mount": 165,
        "umount2": 166, "pivot_root": 155, "bpf": 321, "keyctl": 250,
        "perf_event_open": 298, "userfaultfd": 323, "io_uring_setup": 425,
        "process_vm_readv": 310, "process_vm_writev": 311, "shmget": 29,
        "personality": 135, "vfork": 58, "clone3": 435, "execveat": 322,
        "open_by_handle_at": 304, "move_mount": 429, "kexec_load": 246,
    },
    "aarch64": {
        "ptrace": 117, "unshare": 97, "setns": 268, "mount": 40,
        "umount2": 39, "pivot_root": 41, "bpf": 280, "keyctl": 219,
        "perf_event_open": 241, "userfaultfd": 282, "io_uring_setup": 425,
        "process_vm_readv": 270, "process_vm_writev": 271, "shmget": 194,
        "personality": 92, "clone3": 435, "execveat": 281,
        "open_by_handle_at": 265, "move_mount": 429, "kexec_load": 104,
    },
}  # fmt: skip


def test_system_calls_are_refused_by_number(probe):
    calls = CALLS[platform.machine()]
    found = probe.run(f"""
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        found = {{}}
        for name, number in {calls!r}.items():
            result = libc.syscall(number, 0, 0, 0, 0, 0, 0)
            found[name] = [result, ctypes.get_errno()]
    """)
    refused = {name for name, (result, _) in found.items() if result == -1}
    assert refused == set(calls)
    numbers = {number for _, number in found.values()}
    assert numbers == {errno.EPERM, errno.ENOSYS}


def test_a_thread_may_start_but_take_no_namespace(probe):
    clone = {"x86_64": 56, "aarch64": 220}[platform.machine()]
    # CLONE_VM | SIGHAND | THREAD, with each CLONE_NEW...
    found = probe.run(f"""
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        found = []
        for flag in (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000,
                     0x10000000, 0x20000000, 0x40000000):
            result = libc.syscall({clone}, 0x10900 | flag, 0, 0, 0, 0)
            found.append([result, ctypes.get_errno()])
    """)
    assert found == [[-1, errno.ENOSYS]] * 8
    found = probe.run("""
        import asyncio, threading
        async def main():
            return await asyncio.to_thread(lambda: 42)
        thread = threading.Thread(target=print)
        thread.start()
        thread.join()
        found = asyncio.run(main())
    """)
    assert found == 42


@pytest.mark.skipif(
    platform.machine() != "x86_64", reason="32-bit calls of x86 only"
)
def test_a_32_bit_system_call_ends_it(zygote):
    how = ended(
        zygote,
        """
        import ctypes, mmap
        # mov eax, 20 (getpid, of 32 bits); int 0x80; ret
        code = bytes.fromhex("b814000000cd80c3")
        page = mmap.mmap(-1, 4096, prot=7)
        page.write(code)
        place = ctypes.addressof(ctypes.c_char.from_buffer(page))
        ctypes.CFUNCTYPE(ctypes.c_int)(place)()
        """,
    )
    assert how == "SIGSYS"


def test_signals_reach_nobody(zygote):
    with Probe(zygote) as neighbour, Probe(zygote) as probe:
        found = probe.run("""
            import os, signal
            found = []
            for number in [-1, 0, 1, os.getppid(), *range(2, 100)]:
                for sent in (signal.SIGTERM, signal.SIGKILL):
                    try:
                        os.kill(number, sent)
                    except (ProcessLookupError, PermissionError):
                        pass
            found = "alive"
        """)
        assert found == "alive"
        assert neighbour.run("found = 1") == 1
    assert zygote.is_alive


def test_it_has_no_privileges_seen_from_outside(zygote):
    with Probe(zygote):
        status = _status(_student())
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"
    # Its number here, in bubblewrap, with its supervisor's, and its own.
    assert status["NSpid"].split()[-1] == "1"
    within = len(_status(os.getpid())["NSpid"].split())
    assert len(status["NSpid"].split()) == within + 2


# -- how it ends -------------------------------------------------------------


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
    os.kill(_student(), signal.SIGKILL)
    assert one.wait() == "memory"


def test_it_does_not_outlive_its_supervisor(zygote):
    one = Probe(zygote)
    student = _student()
    os.kill(int(_status(student)["PPid"]), signal.SIGKILL)
    assert one.wait() == "killed"
    _wait_for_the_end([student])


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


def test_running_out_of_memory_is_named(package, able):
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


# -- the zygote --------------------------------------------------------------


def _descendants(process):
    """The processes below one, from /proc."""
    parents = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                text = (path / "stat").read_text("utf-8", "replace")
            except OSError:
                continue
            parents[int(path.name)] = int(text.rsplit(")", 1)[1].split()[1])
    found, last = set(), {process}
    while last:
        last = {p for p, parent in parents.items() if parent in last} - found
        found |= last
    return found


def _status(process):
    text = Path(f"/proc/{process}/status").read_text("utf-8", "replace")
    return dict(line.split(":\t", 1) for line in text.splitlines())


def _student():
    """The one child there is: the first process of the innermost namespace."""
    found = {
        process: _status(process)["NSpid"].split()
        for process in _descendants(os.getpid())
    }
    # Within the grader's, bubblewrap has one, and each child another.
    within = len(_status(os.getpid())["NSpid"].split())
    (student,) = [
        process
        for process, numbers in found.items()
        if len(numbers) == within + 2 and numbers[-1] == "1"
    ]
    return student


def _open_files(processes):
    return {p: len(os.listdir(f"/proc/{p}/fd")) for p in processes}


def test_two_hundred_children_leave_nothing_behind(either):
    Probe(either).end()
    before = _descendants(os.getpid())
    files = _open_files({os.getpid(), *before})
    for count in range(200):
        child = either.spawn()
        if count % 2:
            either.kill(child)
        else:
            child.sock.close()
        assert either.wait(child) == ("killed" if count % 2 else "exit 0")
    assert _descendants(os.getpid()) == before
    assert _open_files({os.getpid(), *before}) == files


def test_many_live_at_once_and_end_with_the_zygote(package, able):
    with Zygote(SMALL, "bubblewrap", (), "probe:serve", package) as zygote:
        before = _descendants(os.getpid())
        probes = [Probe(zygote) for _ in range(10)]
        assert [p.run("found = 1") for p in probes] == [1] * 10
        below = _descendants(os.getpid()) - before
        assert len(below) == 20
    assert all(probe.child.how == "killed" for probe in probes)
    _wait_for_the_end(below)


@pytest.mark.parametrize("isolation", ["bubblewrap", "none"])
def test_all_ends_with_a_killed_grader(package, able, isolation):
    child = "sock.sendall(b'x')\nwhile True: pass"
    if isolation == "none":
        child = (
            "import subprocess\nsubprocess.Popen(['sleep', '600'])\n" + child
        )
    program = f"""
        import json, sys, time
        from pathlib import Path
        from attnbook.grading.isolation.limits import Limits
        from attnbook.grading.isolation.sandbox import Zygote
        zygote = Zygote(Limits(), {isolation!r}, (), "probe:serve",
                        Path({str(package)!r}))
        zygote.start()
        for _ in range(2):
            child = zygote.spawn()
            child.sock.sendall(json.dumps({child!r}).encode() + b"\\n")
            child.sock.recv(1)
        print("ready", flush=True)
        time.sleep(600)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        text=True,
    ) as grader:
        assert grader.stdout.readline() == "ready\n"
        below = _descendants(grader.pid)
        # Two children, each with a supervisor, and the zygote.
        assert len(below) >= (5 if isolation == "bubblewrap" else 7)
        homes = {
            os.readlink(f"/proc/{process}/cwd")
            for process in below
            if isolation == "none"
        } - {"/"}
        assert len(homes) == (2 if isolation == "none" else 0)
        grader.kill()
    _wait_for_the_end(below)
    assert not any(os.path.exists(home) for home in homes)


def _wait_for_the_end(processes):
    end = time.monotonic() + PATIENCE
    while left := [p for p in processes if _is_running(p)]:
        assert time.monotonic() < end, left
        time.sleep(0.02)


def _is_running(process):
    try:
        text = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
    except OSError:
        return False
    return text.rsplit(")", 1)[1].split()[0] != "Z"


def test_a_killed_zygote_is_told_of(package, able):
    with Zygote(SMALL, "bubblewrap", (), "probe:serve", package) as zygote:
        child = zygote.spawn()
        os.kill(zygote._process.pid, signal.SIGKILL)
        assert zygote.wait(child, PATIENCE) == "killed"
        assert not zygote.is_alive
        with pytest.raises(SandboxError, match="its zygote has ended"):
            zygote.spawn()


def test_a_child_that_cannot_be_confined_runs_nothing(
    package, able, monkeypatch
):
    monkeypatch.setattr(spawning_module, "compiled_filter", lambda: b"\0" * 8)
    with Zygote(SMALL, "bubblewrap", (), "probe:serve", package) as zygote:
        with pytest.raises(SandboxError, match="prctl: Invalid argument"):
            zygote.spawn()
        assert zygote.is_alive


@pytest.mark.parametrize(
    ("modules", "entry", "said"),
    [
        (["no_such_module"], "probe:serve", "No module named 'no_such"),
        ([], "probe:no_such_function", "no attribute 'no_such_function'"),
    ],
)
def test_a_zygote_that_cannot_start_says_why(package, modules, entry, said):
    zygote = Zygote(SMALL, "none", modules, entry, package)
    with pytest.raises(SandboxError, match=said):
        zygote.start()


def test_a_zygote_with_threads_is_refused(package):
    (package / "threaded.py").write_text(
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True)"
        ".start()\n",
        "utf-8",
    )
    zygote = Zygote(SMALL, "none", ["threaded"], "probe:serve", package)
    with pytest.raises(SandboxError, match="cannot be forked"):
        zygote.start()


def test_a_zygote_with_shared_memory_is_refused(package):
    (package / "sharing.py").write_text(
        "import mmap\npage = mmap.mmap(-1, 4096)\n", "utf-8"
    )
    zygote = Zygote(SMALL, "none", ["sharing"], "probe:serve", package)
    with pytest.raises(SandboxError, match="could reach each other"):
        zygote.start()


def test_an_unknown_isolation_is_refused():
    with pytest.raises(ValueError, match="'bubblewrap' or 'none'"):
        Zygote(SMALL, "docker")


def test_torch_works_in_a_child(package, able):
    modules = ["torch", "numpy", "matplotlib.pyplot"]
    with (
        Zygote(
            Limits(), "bubblewrap", modules, "probe:serve", package
        ) as zygote,
        Probe(zygote) as probe,
    ):
        found = probe.run("""
            import matplotlib.pyplot as plt, torch
            torch.manual_seed(0)
            q = torch.randn(2, 64, 64, requires_grad=True)
            torch.softmax(q @ q.mT, -1).square().sum().backward()
            layer = torch.nn.MultiheadAttention(64, 4, batch_first=True)
            out, _ = layer(q, q, q)
            out.sum().backward()
            plt.plot([1, 2, 3])
            plt.savefig("figure.png")
            torch.set_num_threads(4)
            (torch.randn(600, 600) @ torch.randn(600, 600)).sum()
            found = [list(q.grad.shape), torch.get_num_threads()]
        """)
    assert found == [[2, 64, 64], 4]


# -- without the sandbox -----------------------------------------------------


def test_without_the_sandbox_it_has_a_folder_of_its_own(open_zygote):
    with Probe(open_zygote) as probe:
        found = probe.run("""
            import os, tempfile, attnbook.checks.soft_lookup as checks
            open("left", "w").close()
            found = [os.getcwd(), os.environ["HOME"], tempfile.gettempdir(),
                     str(checks.check_top_k_lookup(1))]
        """)
        home = Path(found[0])
        assert (home / "left").exists()
    assert [Path(place) for place in found[:3]] == [home] * 3
    assert found[3] == "None"
    assert not home.exists()


def test_without_the_sandbox_its_process_group_ends_with_it(open_zygote):
    with Probe(open_zygote) as probe:
        process = probe.run("""
            import subprocess, sys
            found = subprocess.Popen(
                [sys.executable, "-c", "import time; time.sleep(600)"]).pid
        """)
        assert _is_running(process)
    _wait_for_the_end([process])


# -- whether this machine can ------------------------------------------------


@pytest.fixture
def fresh_support():
    support.cache_clear()
    yield support
    support.cache_clear()


def test_support_records_the_level(able):
    assert support().level == "bubblewrap+seccomp"
    assert support().reason == ""


def test_no_bubblewrap(fresh_support, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = fresh_support()
    assert not found.ok
    assert found.level == "none"
    assert "not installed" in found.reason
    assert any("apt-get install" in way for way in found.ways_out)


def test_bubblewrap_that_is_refused(fresh_support, monkeypatch, tmp_path):
    program = tmp_path / "bwrap"
    program.write_text(
        "#!/bin/sh\necho 'bwrap: setting up uid map: Permission denied' >&2\n"
        "exit 1\n",
        "utf-8",
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    found = fresh_support()
    assert not found.ok
    assert "setting up uid map: Permission denied" in found.reason


def test_no_libseccomp(fresh_support, monkeypatch):
    def missing():
        raise ImportError("Unable to find libseccomp")

    monkeypatch.setattr(spawning_module, "compiled_filter", missing)
    found = fresh_support()
    if shutil.which("bwrap"):
        assert "libseccomp is missing" in found.reason
        assert any("libseccomp2" in way for way in found.ways_out)


@pytest.mark.parametrize(
    ("system", "said"),
    [("darwin", "this is macOS"), ("win32", "this is Windows")],
)
def test_other_systems(fresh_support, monkeypatch, system, said):
    monkeypatch.setattr(sys, "platform", system)
    found = fresh_support()
    assert not found.ok
    assert said in found.reason
    assert found.ways_out


def test_windows_is_told_before_anything_fails():
    program = """
        import sys
        sys.platform = "win32"
        sys.modules["resource"] = None
        from attnbook.grading.isolation.sandbox import bubblewrap, support
        print(support().ways_out[0])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "WSL 2" in done.stdout


# -- the pruned package ------------------------------------------------------


def test_the_pruned_package_holds_no_answers(package):
    names = {str(path.relative_to(package)) for path in package.rglob("*.py")}
    assert "attnbook/mechanisms/additive.py" in names
    assert "attnbook/experiments/__init__.py" in names
    real = Path(pruned.attnbook.__file__).parent
    for folder in ("checks", "judging"):
        stand_ins = package / "attnbook" / folder
        assert {p.relative_to(stand_ins) for p in stand_ins.rglob("*.py")} == {
            p.relative_to(real / folder) for p in (real / folder).rglob("*.py")
        }
        for path in stand_ins.rglob("*.py"):
            if str(path.relative_to(package / "attnbook")) in pruned.TRAVELS:
                continue
            assert len(path.read_text("utf-8")) < 1000
        assert not list(stand_ins.rglob("*.pyc"))
    assert not any(name.endswith("/release.py") for name in names)
    assert not any("solution" in name for name in names)


def test_an_installed_package_is_hidden(package, able, monkeypatch):
    # Another package of this environment plays its part.
    monkeypatch.setattr(bubblewrap, "attnbook", iniconfig)
    place = bubblewrap.inside(Path(iniconfig.__file__).parent)
    with (
        Zygote(SMALL, "bubblewrap", (), "probe:serve", package) as zygote,
        Probe(zygote) as probe,
    ):
        found = probe.run(f"import os; found = os.listdir({str(place)!r})")
    assert sorted(found) == sorted(os.listdir(package / "attnbook"))
    assert "mechanisms" in found


def test_packages_of_this_user_are_found(package, tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "only_mine.py").write_text("", "utf-8")
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    assert bubblewrap.own_packages() == [folder]
    assert folder in bubblewrap.visible()
    with Zygote(SMALL, "none", ["only_mine"], "probe:serve", package) as z:
        assert z.is_alive


def test_what_lies_where_the_sandbox_is_empty_is_somewhere_else_in_there():
    assert bubblewrap.inside("/usr/lib") == "/usr/lib"
    for place in ("/tmp", "/dev/shm", "/home/student"):
        assert bubblewrap.inside(f"{place}/x/lib") == f"/moved{place}/x/lib"


def test_a_python_that_the_sandbox_would_hide_is_refused(
    package, able, monkeypatch
):
    monkeypatch.setattr(sys, "base_prefix", "/tmp/x")
    with pytest.raises(SandboxError, match="lies in /tmp/x"):
        Zygote(SMALL, "bubblewrap", (), "probe:serve", package).start()


def test_the_pruned_package_has_what_its_modules_import(package):
    missing = []
    for path in (package / "attnbook").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.ImportFrom):
                continue
            module = node.module or ""
            names = [module, *(f"{module}.{a.name}" for a in node.names)]
            found = [
                name
                for name in names
                if (package / name.replace(".", "/")).is_dir()
                or (package / f"{name.replace('.', '/')}.py").is_file()
            ]
            if module.startswith("attnbook") and module not in found:
                missing.append([path.name, module])
            if module == "attnbook.grading" and found == [module]:
                missing.append([path.name, names])
    assert missing == []


# -- the limits --------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("wall", 0),
        ("total", float("nan")),
        ("cpu", "10"),
        ("memory", 1),
        ("disk", True),
        ("threads", 1.5),
        ("open_files", 3),
        ("notebook", -1),
        ("output", float("inf")),
    ],
)
def test_limits_out_of_range_are_refused(name, value):
    with pytest.raises(ValueError, match=rf"`{name}` must be a .*; got"):
        Limits(**{name: value})


def test_the_socket_is_the_only_way_in(probe):
    found = probe.run("""
        import socket
        left, right = socket.socketpair()
        left.sendall(b"x")
        found = right.recv(1).decode()
    """)
    assert found == "x"
    assert isinstance(probe.child.sock, socket.socket)
