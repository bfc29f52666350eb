"""Notebooks that reach for the network, other processes and the disk."""

from __future__ import annotations

from attnbook.grading.hostile.kind import Kind

_PACKED = "03-packed-attention-answer"

# An honest answer, to be stolen from one student and found by the next.
_LOOT = """\
LOOT = '''
def packed_attention(query, key, value, query_document, key_document):
    T, S = query.shape[-2], key.shape[-2]
    scores = query @ key.mT / query.shape[-1] ** 0.5
    past = torch.ones(T, S, dtype=torch.bool).tril(S - T)
    same = query_document[..., None] == key_document[:, None]
    real = (query_document > 0)[..., None]
    weights = masked_softmax(scores, (past & same & real)[:, None])
    return weights @ value, weights
'''
"""


def _passed_on(leave: str, find: str) -> dict[str, str]:
    """Find what the student before left, else leave it for the next."""
    return {
        _PACKED: f"{_LOOT}\nfound = None\n{find}\n"
        "if found:\n    exec(found)\nelse:\n    packed_attention = None\n"
        f"{leave}\n"
    }


KINDS = [
    # -- network -------------------------------------------------------------
    Kind(
        "TCP connection",
        "Connects to a server on the grader's machine, and beyond.",
        first="""\
import socket

for place in (("127.0.0.1", __PORT__), ("localhost", __PORT__),
              ("0.0.0.0", __PORT__), ("::1", __PORT__)):
    try:
        with socket.create_connection(place, timeout=0.5) as line:
            line.sendall(b"__TOKEN__")
    except OSError:
        pass""",
        looks_for=("connection",),
    ),
    Kind(
        "UDP and names",
        "Sends a datagram, and hides a message in a look-up of a name.",
        first="""\
import socket

for family in (socket.AF_INET, socket.AF_INET6):
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as line:
            line.sendto(b"__TOKEN__", ("127.0.0.1", __PORT__))
    except OSError:
        pass
try:
    socket.getaddrinfo("__TOKEN__.invalid", 80)
except (OSError, RuntimeError):
    pass""",
        looks_for=("connection",),
    ),
    Kind(
        "abstract socket",
        "Connects to a Unix socket of the machine, which has no file.",
        first="""\
import socket

for place in ("\\0__TOKEN__", "__SOCKET__"):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        try:
            with socket.socket(socket.AF_UNIX, kind) as line:
                line.connect(place)
                line.send(b"__TOKEN__")
        except OSError:
            pass""",
        looks_for=("connection",),
    ),
    Kind(
        "network from a subprocess",
        "Lets curl, wget, nc and bash make the connection.",
        first="""\
!curl -s -m 1 http://127.0.0.1:__PORT__/__TOKEN__
!wget -q -T 1 -O /dev/null http://127.0.0.1:__PORT__/__TOKEN__
!bash -c 'echo __TOKEN__ > /dev/tcp/127.0.0.1/__PORT__'
%pip install -q __TOKEN__ -i http://127.0.0.1:__PORT__/ --retries 0""",
        looks_for=("connection", "process"),
    ),
    Kind(
        "raw system calls",
        "Opens sockets by the system call itself, and by io_uring.",
        first="""\
import ctypes
import platform
import struct

libc = ctypes.CDLL(None, use_errno=True)
x86 = platform.machine() == "x86_64"
opened = libc.syscall(41 if x86 else 198, 2, 1, 0)
address = struct.pack("!HH4s8x", 0x0200, __PORT__, bytes((127, 0, 0, 1)))
libc.syscall(42 if x86 else 203, opened, address, 16)
libc.syscall(1 if x86 else 64, opened, b"__TOKEN__", len("__TOKEN__"))
libc.syscall(425, 8, ctypes.create_string_buffer(256))""",
        looks_for=("connection",),
    ),
    # -- what goes on ----------------------------------------------------
    Kind(
        "daemon",
        "Leaves a daemon behind that writes the gradebook later.",
        first="""\
import os
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for _ in range(200):
            time.sleep(0.05)
            try:
                with open("__GRADEBOOK__", "ab") as file:
                    file.write(b"__TOKEN__")
            except OSError:
                pass
    os._exit(0)""",
        looks_for=("process", "gradebook"),
    ),
    Kind(
        "thread that goes on",
        "Starts a thread that goes on while the answers are judged.",
        first="""\
import gc
import threading

def meddle():
    while True:
        for thing in gc.get_objects():
            if type(thing).__name__ == "Exercise":
                type(thing).check = lambda self, answer: None

threading.Thread(target=meddle, daemon=True).start()""",
        looks_for=("process",),
    ),
    Kind(
        "nested namespaces",
        "Makes user and mount namespaces of its own, and mounts.",
        first="""\
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
got = libc.unshare(0x10000000 | 0x00020000)
libc.mount(b"proc", b"/tmp", b"proc", 0, None)
libc.mount(b"/", b"/tmp", None, 4096, None)
libc.umount2(b"/tmp", 2)
libc.umount2(os.path.expanduser("~").encode(), 2)
libc.chroot(b"/tmp")
if got == 0:
    raise RuntimeError("UNSHARED")""",
        conceals=("UNSHARED",),
        is_harmless=False,
    ),
    Kind(
        "traced processes",
        "Attaches to other processes and writes into their memory.",
        first="""\
import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
for pid in [os.getppid(), *range(1, 64)]:
    if pid == os.getpid():
        continue
    if libc.ptrace(16, pid, 0, 0) == 0:
        libc.ptrace(8, pid, 0, 0)
    local = ctypes.create_string_buffer(64)
    vector = (ctypes.c_void_p * 2)(ctypes.addressof(local), 64)
    libc.process_vm_writev(pid, vector, 1, vector, 1, 0)
    libc.syscall(438, libc.syscall(434, pid, 0), 3, 0)""",
        looks_for=("process",),
        is_harmless=False,
    ),
    Kind(
        "keyboard of the teacher",
        "Types into the terminal from which the grader was started.",
        first="""\
import fcntl
import os
import termios

for place in ("/dev/tty", "/dev/console", "/dev/pts/0", 0, 1, 2):
    try:
        handle = place if isinstance(place, int) else os.open(place, 2)
        for letter in b"touch /tmp/__TOKEN__-typed\\n":
            fcntl.ioctl(handle, termios.TIOCSTI, bytes((letter,)))
    except OSError:
        pass""",
        looks_for=("file",),
        is_harmless=False,
    ),
    # -- what stays ------------------------------------------------------
    Kind(
        "files at home",
        "Leaves files in the home folder, where IPython starts from.",
        first="""\
import os

for home in ("__HOME__", os.path.expanduser("~"), os.environ.get("HOME")):
    for name in ("__TOKEN__", ".ipython/profile_default/startup/__TOKEN__.py",
                 ".config/__TOKEN__", ".jupyter/__TOKEN__.py"):
        try:
            path = os.path.join(home, name)
            with open(path, "w") as file:
                file.write("# left behind")
        except OSError:
            pass""",
        looks_for=("file",),
    ),
    Kind(
        "files in the package",
        "Leaves files among the installed packages and in the repository.",
        first="""\
import os
import site
import sys

import attnbook

places = [*site.getsitepackages(), *sys.path, os.getcwd(), "__REPOSITORY__"]
places += [os.path.dirname(attnbook.__file__), os.path.dirname(torch.__file__)]
for place in places:
    try:
        with open(os.path.join(place, "__TOKEN__.py"), "w") as file:
            file.write("# left behind")
    except OSError:
        pass""",
        looks_for=("file",),
    ),
    Kind(
        "files in shared places",
        "Leaves files in /tmp, /var/tmp, /dev/shm, /run and the root.",
        first="""\
import os

for place in ("/tmp", "/var/tmp", "/dev/shm", "/run", "/", "/dev", "/etc",
              "/usr/lib", "/usr/local/bin", "/opt", "/home"):
    try:
        with open(os.path.join(place, "__TOKEN__"), "w") as file:
            file.write("left behind")
    except OSError:
        pass""",
        looks_for=("file",),
    ),
    Kind(
        "written gradebook",
        "Writes the gradebook and a result of its own.",
        first="""\
import os
import sqlite3

try:
    with sqlite3.connect("__GRADEBOOK__") as book:
        book.execute("update grade set auto_score = 20")
except sqlite3.Error:
    pass
for place in ("__RESULTS__", "__REPOSITORY__/results", ".", ".."):
    try:
        with open(os.path.join(place, "__TOKEN__.json"), "w") as file:
            file.write('{"points": 20}')
    except OSError:
        pass""",
        looks_for=("gradebook", "file"),
    ),
    Kind(
        "written exercise",
        "Overwrites the grader's copy of the exercise.",
        first="""\
import glob

for path in glob.glob("__EXERCISES__/*.ipynb"):
    try:
        with open(path, "a") as file:
            file.write(" ")
    except OSError:
        pass""",
        is_harmless=False,
        looks_for=("gradebook",),
    ),
    Kind(
        "passed on by files",
        "Leaves an answer in files, for the next student to find.",
        answers=_passed_on(
            """\
import os
for place in ("/tmp", "/dev/shm", "/var/tmp", os.path.expanduser("~"), "."):
    try:
        open(os.path.join(place, "__TOKEN__-loot"), "w").write(LOOT)
    except OSError:
        pass""",
            """\
import glob, os
for place in ("/tmp", "/dev/shm", "/var/tmp", os.path.expanduser("~"), "."):
    for path in glob.glob(place + "/__TOKEN__-loot"):
        found = open(path).read()""",
        ),
        looks_for=("file",),
        times=2,
    ),
    Kind(
        "passed on in memory",
        "Leaves an answer in modules, the environment and shared memory.",
        answers=_passed_on(
            """\
import os, ctypes
torch.loot = LOOT
os.environ["LOOT"] = LOOT
torch.nn.functional.softmax.__dict__["loot"] = LOOT
libc = ctypes.CDLL(None)
handle = libc.shmget(0x5EED, 4096, 0o1666)
if handle >= 0:
    libc.shmat.restype = ctypes.c_void_p
    place = libc.shmat(handle, None, 0)
    if place and place != 2**64 - 1:
        ctypes.memmove(place, LOOT.encode(), len(LOOT))
try:
    from multiprocessing import shared_memory
    kept = shared_memory.SharedMemory("__TOKEN__", True, 4096)
    kept.buf[: len(LOOT)] = LOOT.encode()
except OSError:
    pass""",
            """\
import os, ctypes
found = getattr(torch, "loot", None) or os.environ.get("LOOT")
libc = ctypes.CDLL(None)
handle = libc.shmget(0x5EED, 4096, 0o666)
if handle >= 0:
    libc.shmat.restype = ctypes.c_void_p
    found = ctypes.string_at(libc.shmat(handle, None, 0)).decode()
    libc.shmctl(handle, 0, None)
try:
    from multiprocessing import shared_memory
    kept = shared_memory.SharedMemory("__TOKEN__")
    found = bytes(kept.buf).rstrip(b"\\0").decode()
except OSError:
    pass""",
        ),
        is_harmless=False,
        looks_for=("file",),
        times=2,
    ),
    Kind(
        "device of the machine",
        "Changes the mode and the time of a device, which root owns.",
        first="""\
import os

for change in (
    lambda path: os.chmod(path, 0o646),
    lambda path: os.utime(path, ns=(1_020_304_050, 60_708_090)),
    lambda path: os.fchmod(os.open(path, os.O_RDWR), 0o646),
):
    try:
        change("/dev/full")
    except OSError:
        pass""",
        looks_for=("file",),
    ),
    Kind(
        "what a user may have",
        "Takes what Linux counts for a user on the whole machine: watches of "
        "files, timers, waiting signals, the room of pipes.",
        """\
import ctypes
import fcntl
import os
import platform
import resource

libc = ctypes.CDLL(None, use_errno=True)
place = ctypes.create_string_buffer(64)
create = {"x86_64": 222, "aarch64": 107}[platform.machine()]
taken = {
    "watches": sum(libc.inotify_init1(0) >= 0 for _ in range(60)),
    "timers": sum(libc.syscall(create, 1, None, place) == 0
                  for _ in range(1_000)),
    "signals": min(resource.getrlimit(resource.RLIMIT_SIGPENDING)[0],
                   1_000) // 65,
}
try:
    taken["pipes"] = fcntl.fcntl(os.pipe()[0], 1031, 1 << 20)
except OSError:
    pass
if any(taken.values()):
    raise RuntimeError("UNBOUNDED")""",
        conceals=("UNBOUNDED",),
    ),
    Kind(
        "shell",
        "Runs programs by !, %%bash and os.system.",
        first="""\
import os

os.system("touch /tmp/__TOKEN__-system __HOME__/__TOKEN__-system")
!touch /tmp/__TOKEN__-shell __HOME__/__TOKEN__-shell
get_ipython().run_cell_magic("bash", "", "touch /tmp/__TOKEN__-magic")
%cd __REPOSITORY__
%save -f __TOKEN__-saved 1""",
        looks_for=("file", "process"),
    ),
]
