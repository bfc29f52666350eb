"""What a child gives up before it runs any code of a submission.

Runs inside the zygote's sandbox. A supervisor takes new namespaces and
forks; the child hides what is left to see, gives up its capabilities and
takes limits and a filter of system calls.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import sys

from attnbook.grading.isolation.limits import Limits

HOME = "/home/student"
WRITABLE = (HOME, "/tmp", "/dev/shm")
STAGE = "/mnt"  # where these are made; empty before and after
_HIDDEN = ("/proc", "/dev/pts")
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_MIB = 1 << 20
_MAY_GROW = 512  # threads of other programs of this user
_SIGNALS = 64  # that wait to be delivered
_INODES = 4_096  # files a child may make; each costs the kernel about 1 KiB

_NEW_MOUNTS = 0x00020000
_NEW_HOST_NAME = 0x04000000
_NEW_IPC = 0x08000000
_NEW_USER = 0x10000000
_NEW_PROCESSES = 0x20000000
_NEW_NETWORK = 0x40000000

_READ_ONLY, _NO_SETUID, _NO_DEVICES, _NO_PROGRAMS = 1, 2, 4, 8
_BIND, _RECURSIVE, _PRIVATE, _DETACH = 4096, 16384, 1 << 18, 2
_AGAIN, _KEPT_FLAGS = 32, 2 | 8 | 1024 | 2048  # no setuid, programs, times

_SET_DEATH_SIGNAL, _SET_DUMPABLE, _SET_SECCOMP = 1, 4, 22
_DROP_BOUND, _SET_SECUREBITS, _SET_NO_NEW_PRIVILEGES = 24, 28, 38
_AMBIENT, _AMBIENT_CLEAR = 47, 4
_LOCKED_SECUREBITS = 0xEF  # root is nobody special, and stays so
_LAST_CAPABILITY = 63
_SIGKILL = 9

# On Windows this is imported only to say that it cannot be used.
if sys.platform != "win32":
    import resource

    _libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _prctl(option: int, *values: int) -> None:
    padded = [*values, 0, 0, 0, 0][:4]
    _call("prctl", option, *map(ctypes.c_ulong, padded))


def take_namespaces() -> None:
    """Give this process namespaces of its own; its next fork is pid 1.

    Raises
    ------
    OSError
        When the kernel refuses.
    """
    user, group = os.geteuid(), os.getegid()
    _call(
        "unshare",
        _NEW_USER
        | _NEW_PROCESSES
        | _NEW_MOUNTS
        | _NEW_IPC
        | _NEW_NETWORK
        | _NEW_HOST_NAME,
    )
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def die_with_parent() -> None:
    """Be killed when the parent ends, where the system can do that."""
    if sys.platform == "linux":
        _prctl(_SET_DEATH_SIGNAL, _SIGKILL)


def die_first() -> None:
    """Be the one whom Linux ends where the whole machine lacks memory."""
    with (
        contextlib.suppress(OSError),
        open("/proc/self/oom_score_adj", "w") as file,
    ):
        file.write("1000")


def hide_files(limits: Limits) -> None:
    """Leave one bounded, empty place to write: /tmp, the home, /dev/shm.

    The devices are the machine's own. Where the grader is root, they belong
    to the student as well, who can write to them as before, but not change
    their modes and times, which are the same for all.

    Raises
    ------
    OSError
        When a mount is refused.
    """
    _mount(None, "/", None, _RECURSIVE | _PRIVATE)
    size = int(limits.disk * _MIB)
    _mount(
        "tmpfs",
        STAGE,
        "tmpfs",
        _NO_SETUID | _NO_DEVICES,
        f"size={size},nr_inodes={_INODES},mode=0700",
    )
    # One bound for all three, so they share one file system.
    for place in WRITABLE:
        source = f"{STAGE}/{place.replace('/', '-')}"
        os.mkdir(source)
        _mount(source, place, None, _BIND)
    _call("umount2", STAGE.encode(), _DETACH)
    for name in _DEVICES:
        device = f"/dev/{name}"
        kept = os.statvfs(device).f_flag & _KEPT_FLAGS
        _mount(None, device, None, _AGAIN | _BIND | _READ_ONLY | kept)
    for place in _HIDDEN:
        _mount(
            "tmpfs",
            place,
            "tmpfs",
            _READ_ONLY | _NO_SETUID | _NO_DEVICES | _NO_PROGRAMS,
            "size=4k,nr_inodes=2",
        )
    os.chdir(HOME)


def _mount(
    source: str | None,
    target: str,
    kind: str | None,
    flags: int,
    options: str = "",
) -> None:
    try:
        _call(
            "mount",
            source and source.encode(),
            target.encode(),
            kind and kind.encode(),
            ctypes.c_ulong(flags),
            options.encode(),
        )
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror} at {target}") from None


def address_space() -> int | None:
    """Return the bytes of address space in use, where /proc tells."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return None


def take_limits(
    limits: Limits, in_use: int | None, others: int | None
) -> None:
    """Set what the kernel limits by itself.

    Parameters
    ----------
    in_use
        Bytes of address space at the start; None leaves it unlimited.
    others
        Threads that the kernel counts besides this one's; None leaves them
        unlimited.

    Raises
    ------
    OSError, ValueError
        When the system refuses a limit.
    """
    seconds = math.ceil(limits.cpu)
    wanted = {
        "CORE": 0,
        "CPU": seconds,
        "FSIZE": int(limits.disk * _MIB),
        "MEMLOCK": 0,
        "MSGQUEUE": 0,
        "NICE": 0,
        "NOFILE": limits.open_files,
        "RTPRIO": 0,
        "SIGPENDING": _SIGNALS,
    }
    if in_use is not None:
        wanted["AS"] = in_use + int(limits.memory * _MIB)
    if others is not None:
        wanted["NPROC"] = limits.threads + others
    for name, value in wanted.items():
        which = getattr(resource, f"RLIMIT_{name}", None)
        if which is None:
            continue
        hard = resource.getrlimit(which)[1]
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(which, (value, value))


def other_threads(is_alone: bool) -> int | None:
    """Return how many threads the kernel counts with a child's.

    Parameters
    ----------
    is_alone
        Whether the child has a user namespace of its own.
    """
    if sys.platform != "linux":
        return None
    if is_alone:
        # The supervisor's is one. Before Linux 5.14 whatever the user runs
        # outside counts too, and nobody in here knows how much that is.
        return 1 if _kernel() >= (5, 14) else None
    # Whatever this user runs counts, and must be able to grow meanwhile.
    count, user = _MAY_GROW, os.getuid()
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                found = os.stat(f"/proc/{name}/task")
            except OSError:
                continue
            if found.st_uid == user:
                count += found.st_nlink - 2
    return count


def _kernel() -> tuple[int, ...]:
    try:
        return tuple(map(int, os.uname().release.split(".")[:2]))
    except ValueError:
        return (0,)


def give_up_privileges() -> None:
    """Give up all capabilities, for good.

    Raises
    ------
    OSError
        When the kernel refuses.
    """
    _prctl(_AMBIENT, _AMBIENT_CLEAR)
    for capability in range(_LAST_CAPABILITY + 1):
        try:
            _prctl(_DROP_BOUND, capability)
        except OSError:
            break  # the kernel has no more
    _prctl(_SET_SECUREBITS, _LOCKED_SECUREBITS)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3, this thread
    _call("capset", header, (ctypes.c_uint32 * 6)())
    _prctl(_SET_NO_NEW_PRIVILEGES, 1)
    _prctl(_SET_DUMPABLE, 0)


class _Program(ctypes.Structure):
    _fields_ = (
        ("length", ctypes.c_ushort),
        ("instructions", ctypes.c_char_p),
    )


def filter_system_calls(compiled: bytes) -> None:
    """Refuse all system calls but those of the filter.

    Raises
    ------
    OSError
        When the kernel refuses the filter.
    """
    program = _Program(len(compiled) // 8, compiled)
    pointer = ctypes.addressof(program)
    _prctl(_SET_SECCOMP, 2, pointer)


def close_all_but(*kept: int) -> None:
    """Close every file descriptor but these."""
    start = 0
    for number in sorted(kept):
        # Python 3.11 takes the empty range from 0 to 0 for all there are.
        if number > start:
            os.closerange(start, number)
        start = number + 1
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if most == resource.RLIM_INFINITY or most > 1 << 20:
        most = 1 << 20
    os.closerange(start, max(most, start))
