"""Children of a zygote that run programs, and what /proc tells of them."""

import json
import os
import textwrap
import time
from pathlib import Path

from attnbook.grading.isolation.limits import Limits

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


def ended(zygote, program, limits=None):
    """Return how a child ends that runs a program."""
    one = Probe(zygote, limits)
    one.tell(program)
    return one.wait()


def descendants(process):
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


def status_of(process):
    text = Path(f"/proc/{process}/status").read_text("utf-8", "replace")
    return dict(line.split(":\t", 1) for line in text.splitlines())


def the_student():
    """The one child there is: the first process of the innermost namespace."""
    found = {
        process: status_of(process)["NSpid"].split()
        for process in descendants(os.getpid())
    }
    # Within the grader's, bubblewrap has one, and each child another.
    within = len(status_of(os.getpid())["NSpid"].split())
    (student,) = [
        process
        for process, numbers in found.items()
        if len(numbers) == within + 2 and numbers[-1] == "1"
    ]
    return student


def open_files(processes):
    return {p: len(os.listdir(f"/proc/{p}/fd")) for p in processes}


def wait_for_the_end(processes):
    end = time.monotonic() + PATIENCE
    while left := [p for p in processes if is_running(p)]:
        assert time.monotonic() < end, left
        time.sleep(0.02)


def is_running(process):
    try:
        text = Path(f"/proc/{process}/stat").read_text("utf-8", "replace")
    except OSError:
        return False
    return text.rsplit(")", 1)[1].split()[0] != "Z"
