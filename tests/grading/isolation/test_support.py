"""Whether this machine can run the sandbox, and what to do if not."""

import os
import shutil
import subprocess
import sys
import textwrap

import pytest

from attnbook.grading.isolation.sandbox import spawning as spawning_module
from attnbook.grading.isolation.sandbox import support


@pytest.fixture
def fresh_support():
    support.cache_clear()
    yield support
    support.cache_clear()


def test_support_records_the_level(sandbox):
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
