"""The command ``doctor``: can this machine grade strangers' code?

::

    python -m attnbook.grading doctor
    python -m attnbook.grading doctor --no-sandbox

It looks what is installed, then hands in a hostile notebook of each kind
that is safe to run, grades it as the command ``class`` does, and says a line
on each: what it tried and what came of it. ``--no-sandbox`` shows what would
get through where grades are given without one.

It ends with 0 where every notebook got what it deserves and nothing got
out, with 1 where something is missing or got through, with 2 where it could
not try.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import os
import platform
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from attnbook.grading.notebook.read import UnusableError
from attnbook.grading.notebook.release import checkout, known_releases

if TYPE_CHECKING:
    from attnbook.grading.hostile import Kind, Traps
    from attnbook.grading.hostile.trying import Outcome
    from attnbook.grading.notebook.release import Release

_MOST_SLOW = 2  # of a family
_MOST_FAULTS = 3  # of a notebook that are named
_OF_GRADES = ("nbgrader", "sqlalchemy", "jinja2", "tqdm")


@dataclass(frozen=True)
class Finding:
    """Something that was looked for on this machine."""

    name: str
    ok: bool
    text: str


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m attnbook.grading doctor",
        description="Try whether this machine can grade strangers' code: run "
        "a hostile notebook of each kind and show what came of it.",
    )
    parser.add_argument(
        "--no-sandbox",
        action="store_true",
        help="run them without the sandbox: only those that do no lasting "
        "harm, to see what would get through",
    )
    options = parser.parse_args(arguments)
    isolation = "none" if options.no_sandbox else "bubblewrap"
    # Each worker of the grader has one thread, too.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print("This machine")
    findings = list(machine())
    for finding in findings:
        _say(finding.ok, f"{finding.name}: {finding.text}")
    missing = [finding for finding in findings if not finding.ok]
    if missing and not options.no_sandbox:
        print()
        return _unfit(", ".join(finding.name for finding in missing))
    try:
        outcomes = list(_tried(isolation))
    except UnusableError as error:
        print(f"Not done: {error}", file=sys.stderr)
        return 2
    return _verdict(outcomes, isolation)


# -- the machine -------------------------------------------------------------


def machine() -> Iterator[Finding]:
    """Look for what grading a class takes; yield what was found."""
    from attnbook.grading.isolation.sandbox import bubblewrap, support

    memory = ""
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        memory = f", {pages / 2**30:.0f} GiB"
    yield Finding(
        "System",
        True,
        f"{platform.system()} {platform.release()}, {os.cpu_count()} "
        f"cores{memory}",
    )
    yield Finding(
        "Python",
        sys.version_info >= (3, 11),
        f"{platform.python_version()}, {sys.executable}",
    )
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        yield Finding(
            "Rights",
            True,
            "those of root, whose threads Linux does not count; grade as "
            "another user where you can",
        )
    yield _package("torch")
    for name in _OF_GRADES:
        yield _package(name)
    program = bubblewrap.find()
    yield Finding(
        "bubblewrap",
        program is not None,
        f"{_version_of(program)}, {program}" if program else "not installed",
    )
    found = support()
    yield Finding(
        "Sandbox",
        found.ok,
        f"starts, with {found.level}: namespaces of its own for users, "
        "processes, files and the network, and a filter of system calls"
        if found.ok
        else " ".join([found.reason, *found.ways_out]),
    )


def _package(name: str) -> Finding:
    try:
        importlib.import_module(name)
        return Finding(name, True, importlib.metadata.version(name))
    except ImportError as error:
        return Finding(
            name,
            False,
            f"not installed ({error}); run `pip install -r "
            "requirements-test.txt`",
        )


def _version_of(program: str) -> str:
    done = subprocess.run(
        [program, "--version"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "of an unknown version"


# -- the notebooks -----------------------------------------------------------


def _tried(isolation: str) -> Iterator[Outcome]:
    from attnbook.grading.hostile import FAMILIES, Traps

    root = checkout()
    if root is None:
        raise UnusableError(
            "The released notebooks are not found: run this in the checkout "
            "of the course."
        )
    exercises = root / "exercises"
    releases, _ = known_releases(exercises, Path("hostile.ipynb"))
    with Traps(exercises) as traps:
        for name in dict.fromkeys(
            kind.exercise for kinds in FAMILIES.values() for kind in kinds
        ):
            families = {
                family: _chosen(kinds, name)
                for family, kinds in FAMILIES.items()
            }
            yield from _tried_on(releases[name], families, isolation, traps)


def _chosen(kinds: Sequence[Kind], exercise: str) -> list[Kind]:
    """Return the kinds of a family that are tried here.

    Of those that use up all the time they are given, a few must do.
    """
    safe = [k for k in kinds if k.is_harmless and k.exercise == exercise]
    slow = [kind for kind in safe if "time" in kind.looks_for]
    return [kind for kind in safe if kind not in slow[_MOST_SLOW:]]


def _tried_on(
    release: Release,
    families: dict[str, list[Kind]],
    isolation: str,
    traps: Traps,
) -> Iterator[Outcome]:
    from attnbook.grading.hostile.trying import LIMITS, attempt, warm_up
    from attnbook.grading.isolation.apart import Examiner

    seed = secrets.randbits(62)
    with Examiner(release, LIMITS, isolation, seed) as examiner:
        # Who gives an honest notebook nothing is not safe, but broken.
        honest = warm_up(release, examiner, traps)
        for family, kinds in {"an honest one": [honest], **families}.items():
            if kinds:
                print(f"\n{release.title}: {family}")
            for kind in kinds:
                outcome = attempt(kind, release, examiner, traps)
                _say_outcome(outcome)
                yield outcome


def _say_outcome(outcome: Outcome) -> None:
    report = outcome.report
    what = outcome.kind.tries
    if outcome.faults:
        faults = outcome.faults[:_MOST_FAULTS]
        if more := len(outcome.faults) - len(faults):
            faults.append(f"and {more} more")
        _say(False, f"{what} {'; '.join(faults)}.")
        return
    came = f"It got the {report.points:g} points that it deserves"
    if not outcome.kind.caught:
        came = f"It got {report.points:g} points"
        came += ", as is known: this leaves no trace, and is not prevented"
    _say(True, f"{what} {came} ({outcome.seconds:.1f} s).")


def _say(ok: bool, text: str) -> None:
    print(f"  {'✓' if ok else '✗'} {text}", flush=True)


def _verdict(outcomes: Sequence[Outcome], isolation: str) -> int:
    wrong = [outcome for outcome in outcomes if outcome.faults]
    print(
        f"\n{len(outcomes) - len(wrong)} of {len(outcomes)} notebooks got "
        "what they deserve, and nothing got out of them."
    )
    if isolation == "none":
        print(
            "That was without a sandbox. Never grade strangers' code so: "
            "the most harmful notebooks were not even tried."
        )
        return 1
    if wrong:
        names = ", ".join(outcome.kind.name for outcome in wrong)
        return _unfit(f"these got through: {names}")
    print("✓ This machine can grade strangers' code.")
    return 0


def _unfit(why: str) -> int:
    print(f"✗ This machine cannot grade strangers' code: {why}.")
    return 1
