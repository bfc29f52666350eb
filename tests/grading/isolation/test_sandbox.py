"""The sandbox: what code inside can see, write and do."""

import errno
import os
import platform
import socket
from pathlib import Path

import pytest
from probing import SMALL, Probe, ended, status_of, the_student

from attnbook.grading.isolation.sandbox import Zygote


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


def test_the_environment_is_made_from_nothing(package, sandbox, monkeypatch):
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


def test_the_devices_of_the_machine_stay_as_they_are(probe):
    """Root owns them, and so does a student where the grader is root."""
    found = probe.run("""
        import os
        found = {}
        for folder, _, names in os.walk("/dev"):
            for path in (os.path.join(folder, name) for name in names):
                if os.path.islink(path):
                    continue
                now = os.stat(path)
                done = found[path] = []
                ways = {
                    "chmod": lambda: os.chmod(path, now.st_mode & 0o777),
                    "utime": lambda: os.utime(
                        path, ns=(now.st_atime_ns, now.st_mtime_ns)),
                    "chown": lambda: os.chown(path, now.st_uid, now.st_gid),
                    "attribute": lambda: os.setxattr(path, "user.x", b"x"),
                    "opened": lambda: os.fchmod(
                        os.open(path, os.O_RDWR), now.st_mode & 0o777),
                }
                for name, way in ways.items():
                    try:
                        way()
                    except OSError:
                        continue
                    done.append(name)
    """)
    assert set(found) >= {"/dev/null", "/dev/full", "/dev/urandom"}
    assert {path: done for path, done in found.items() if done} == {}
    found = probe.run("""
        import os
        with open("/dev/null", "w") as null, open("/dev/zero", "rb") as zero:
            found = [null.write("x"), len(zero.read(3)), len(os.urandom(3))]
    """)
    assert found == [1, 3, 3]


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
        status = status_of(the_student())
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[name], 16) == 0, name
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"
    # Its number here, in bubblewrap, with its supervisor's, and its own.
    assert status["NSpid"].split()[-1] == "1"
    within = len(status_of(os.getpid())["NSpid"].split())
    assert len(status["NSpid"].split()) == within + 2


def test_the_socket_is_the_only_way_in(probe):
    found = probe.run("""
        import socket
        left, right = socket.socketpair()
        left.sendall(b"x")
        found = right.recv(1).decode()
    """)
    assert found == "x"
    assert isinstance(probe.child.sock, socket.socket)
