"""The command line of bubblewrap: what the zygote can see.

Of this machine: the system's libraries, the Python that runs here with its
packages, and the pruned copy of this package. Everything else is not there:
no home, no repository, no network.
"""

from __future__ import annotations

import os
import shutil
import site
import sys
from collections.abc import Iterator
from pathlib import Path

import attnbook
from attnbook.grading.isolation.sandbox.confinement import STAGE, WRITABLE

PACKAGE = "/attnbook"  # where the sandbox has the pruned package
_MOVED = "/moved"  # holds what lies here where the sandbox is empty
_USER = "1000"

# Of the system and of each Python: what its programs load, and no more.
_PARTS = ("bin", "lib", "lib32", "lib64", "pyvenv.cfg")


def find() -> str | None:
    """Return the path of bubblewrap, None where it is not installed."""
    return shutil.which("bwrap")


def own_packages() -> list[Path]:
    """Return the folders of packages that Python finds for this user only.

    That is where ``pip install --user`` puts them.
    """
    usual = set(site.getsitepackages())
    return [
        path
        for path in map(Path, sys.path)
        if path.name in ("site-packages", "dist-packages")
        and str(path) not in usual
        and path.is_dir()
    ]


def command(bwrap: str, package: Path, program: list[str]) -> list[str]:
    """Return the command that runs a program inside.

    Parameters
    ----------
    package
        The folder that holds the pruned `attnbook`.
    program
        The program and its arguments.
    """
    words = [
        bwrap,
        "--die-with-parent",
        # Each by name: "all" would do without those it cannot have.
        "--unshare-user", "--unshare-pid", "--unshare-ipc",
        "--unshare-net", "--unshare-uts", "--unshare-cgroup-try",
        "--uid", _USER, "--gid", _USER,
        "--hostname", "sandbox",
        "--proc", "/proc",
        "--dev", "/dev",
    ]  # fmt: skip
    for folder in (STAGE, *WRITABLE):
        words += ["--dir", folder]
    words += ["--tmpfs", "/tmp"]  # for the zygote's own start
    words += ["--ro-bind", str(package), PACKAGE]
    for path in visible():
        # A merged system has /lib -> usr/lib; others have real folders.
        if path.is_symlink():
            words += ["--symlink", os.readlink(path), inside(path)]
        else:
            words += ["--ro-bind", str(path), inside(path)]
    for copy in _copies():
        words += ["--ro-bind", f"{package}/attnbook", inside(copy)]
    for folder in ("/dev", "/"):
        words += ["--remount-ro", folder]
    return [*words, "--chdir", "/", "--", *program]


def inside(path: Path | str) -> str:
    """Return where the sandbox has a path of this machine.

    That is the same path, unless it lies in a place that is empty in there
    for the student to write in.
    """
    if any(Path(path).is_relative_to(place) for place in WRITABLE):
        return f"{_MOVED}{path}"
    return str(path)


def visible() -> list[Path]:
    """The paths of this machine that the sandbox has, read only."""
    found = dict.fromkeys(_candidates())
    kept: list[Path] = []
    # A shorter path first: what lies inside it is there already.
    for path in sorted(found, key=lambda path: len(path.parts)):
        is_inside = any(path.is_relative_to(other) for other in kept)
        if os.path.lexists(path) and not is_inside:
            kept.append(path)
    return kept


def _copies() -> list[Path]:
    """Return where the sandbox would show this package as it is.

    Besides the one that runs, perhaps from a checkout, there may be one that
    was installed once, in this environment or in the Python below it.
    """
    shown = {
        path: path.resolve() for path in visible() if not path.is_symlink()
    }
    folders = {Path(attnbook.__file__).parents[1], *map(Path, sys.path)}
    for path in shown:
        folders.update(path.glob("python*/*-packages"))
    copies = {(folder / attnbook.__name__).resolve() for folder in folders}
    return [
        path / copy.relative_to(real)
        for path, real in shown.items()
        for copy in sorted(copies)
        if copy.is_dir() and copy.is_relative_to(real)
    ]


def _candidates() -> Iterator[Path]:
    prefixes = ["/", "/usr", "/usr/local"]
    for prefix in (sys.prefix, sys.base_prefix):
        prefixes += [prefix, os.path.realpath(prefix)]
    for prefix in prefixes:
        for part in _PARTS:
            yield Path(prefix, part)
    yield Path(os.path.realpath(sys.executable)).parent
    yield from own_packages()
    yield Path("/etc/ld.so.cache")
    yield Path("/usr/share/zoneinfo")
