"""The zygote: its children, and what is left when it ends."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from probing import (
    PATIENCE,
    SMALL,
    Probe,
    descendants,
    is_running,
    open_files,
    wait_for_the_end,
)

from attnbook.grading.isolation.limits import Limits
from attnbook.grading.isolation.sandbox import SandboxError, Zygote
from attnbook.grading.isolation.sandbox import spawning as spawning_module


def test_two_hundred_children_leave_nothing_behind(either):
    Probe(either).end()
    before = descendants(os.getpid())
    files = open_files({os.getpid(), *before})
    for count in range(200):
        child = either.spawn()
        if count % 2:
            either.kill(child)
        else:
            child.sock.close()
        assert either.wait(child) == ("killed" if count % 2 else "exit 0")
    assert descendants(os.getpid()) == before
    assert open_files({os.getpid(), *before}) == files


def test_many_live_at_once_and_end_with_the_zygote(package, sandbox):
    with Zygote(SMALL, "bubblewrap", (), "probe:serve", package) as zygote:
        before = descendants(os.getpid())
        probes = [Probe(zygote) for _ in range(10)]
        assert [p.run("found = 1") for p in probes] == [1] * 10
        below = descendants(os.getpid()) - before
        assert len(below) == 20
    assert all(probe.child.how == "killed" for probe in probes)
    wait_for_the_end(below)


@pytest.mark.parametrize("isolation", ["bubblewrap", "none"])
def test_all_ends_with_a_killed_grader(package, sandbox, isolation):
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
        below = descendants(grader.pid)
        # Two children, each with a supervisor, and the zygote.
        assert len(below) >= (5 if isolation == "bubblewrap" else 7)
        homes = {
            os.readlink(f"/proc/{process}/cwd")
            for process in below
            if isolation == "none"
        } - {"/"}
        assert len(homes) == (2 if isolation == "none" else 0)
        grader.kill()
    wait_for_the_end(below)
    assert not any(os.path.exists(home) for home in homes)


def test_a_killed_zygote_is_told_of(package, sandbox):
    with Zygote(SMALL, "bubblewrap", (), "probe:serve", package) as zygote:
        child = zygote.spawn()
        os.kill(zygote._process.pid, signal.SIGKILL)
        assert zygote.wait(child, PATIENCE) == "killed"
        assert not zygote.is_alive
        with pytest.raises(SandboxError, match="its zygote has ended"):
            zygote.spawn()


def test_a_child_that_cannot_be_confined_runs_nothing(
    package, sandbox, monkeypatch
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


def test_torch_works_in_a_child(package, sandbox):
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
        assert is_running(process)
    wait_for_the_end([process])
