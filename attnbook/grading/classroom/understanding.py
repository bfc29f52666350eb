"""What was given to the command ``class``, as it is understood.

Whatever cannot be graded as asked is refused here, before anything is.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from attnbook.grading.classroom import fingerprints, runs
from attnbook.grading.classroom.options import (
    RefusedError,
    limits_of,
    publishing,
)
from attnbook.grading.classroom.planning import Plan, Regrade, one_each, plan
from attnbook.grading.classroom.runs import Run
from attnbook.grading.classroom.shards import Shard
from attnbook.grading.grade import clean
from attnbook.grading.intake.submissions import (
    Found,
    describe,
    find,
)
from attnbook.grading.isolation.limits import Limits
from attnbook.grading.notebook.release import Release, known_releases
from attnbook.grading.records import publish
from attnbook.grading.records.results import key_of
from attnbook.grading.records.student_tables import (
    nobody,
    read_groups,
    read_times,
    resolved,
    with_members,
    with_times,
)


@dataclass(frozen=True)
class Understood:
    """All that is known before the first submission is graded."""

    found: Found
    release: Release
    limits: Limits
    isolation: str
    run: Run
    plan: Plan
    refusal: str = ""  # why it could not be graded, on a dry run


def understand(options: argparse.Namespace) -> Understood:
    """Read what was given, and refuse what cannot be graded.

    Raises
    ------
    RefusedError, UnusableError, RunError
        With a text that says what to do.
    """
    releases, notes = known_releases(
        options.release, Path(), options.submissions
    )
    limits = limits_of(options)
    found = find(
        options.submissions,
        options.exercise,
        releases,
        round(limits.notebook * 1e6),
    )
    _refuse_among(found, options.out)
    _refuse_here(found)
    found = _with_tables(found, options)
    release = releases[options.exercise]
    if not release.graded:
        raise RefusedError(f"{release.name} has no graded cells.")
    publish.check(options.out, publishing(options))
    found = _with_extensions(found, options)
    refusal = ""
    try:
        isolation = _isolation(options.no_sandbox)
    except RefusedError as error:
        if not options.dry_run:
            raise
        isolation, refusal = "bubblewrap", str(error)
    submissions, doubles = one_each(found.submissions)
    if not submissions:
        print(describe(found))
        raise RefusedError("there is nothing to grade.")
    submissions = [
        one for one in submissions if options.shard.has(one.student)
    ]
    found = replace(
        found,
        submissions=tuple(submissions),
        notes=(*notes, *found.notes, *doubles),
    )
    print(describe(found))
    run = Run(
        exercise=release.name,
        shard=options.shard,
        release=fingerprints.of_release(release),
        package=fingerprints.of_package(),
        seed="",
        isolation=isolation,
        limits=asdict(limits),
        students=tuple(sorted(key_of(one.student) for one in submissions)),
    )
    _refuse_other_shard(options.out, run)
    circumstances = fingerprints.of_circumstances(
        run.release, run.package, limits, isolation
    )
    regrade = _regrade(options, release, [s.student for s in submissions])
    return Understood(
        found,
        release,
        limits,
        isolation,
        run,
        plan(options.out, release.name, submissions, circumstances, regrade),
        refusal,
    )


def _refuse_among(found: Found, out: Path) -> None:
    """Refuse to put grades where they would be handed in by the next run.

    Raises
    ------
    RefusedError
        When the folder of the grades is one of the submissions.
    """
    root = Path(found.path).resolve()
    if found.layout == "folders" and root in [
        out.resolve(),
        *out.resolve().parents,
    ]:
        runs.forget(out)
        raise RefusedError(
            f"{out} lies among the submissions, and would be taken for a "
            "student. Name a folder elsewhere with --out."
        )


def _refuse_here(found: Found) -> None:
    """Refuse to work from within the submissions.

    The entry of this package takes the working folder from where Python
    looks for modules, but Python itself has looked there before.

    Raises
    ------
    RefusedError
        When the working folder is the submissions' or lies in it.
    """
    is_among = Path.cwd().is_relative_to(Path(found.path).resolve())
    if is_among and not sys.flags.safe_path:
        raise RefusedError(
            "the working folder is among the submissions, where Python may "
            "take a student's file for a module. Run this in the checkout of "
            "the course, or by `python -P -m attnbook.grading class`."
        )


def _with_tables(found: Found, options: argparse.Namespace) -> Found:
    """Put in what the teacher's tables say, given now or before.

    A deadline holds until another is given. Did the table of times not, then
    one student graded again would make the whole class late.
    """
    reading = {
        "groups": lambda path: with_members(found, read_groups(path)),
        "times": lambda path: with_times(found, read_times(path)),
    }
    for kind in runs.TABLES:
        given = getattr(options, kind)
        kept = runs.table_path(options.out, options.exercise, kind)
        if given is not None:
            if str(given) != "none":
                found = reading[kind](given)
        elif kept.exists():
            found = reading[kind](kept)
            note = (
                f"The {kind} are of the table given before. --{kind} FILE "
                f"gives a newer one, --{kind} none drops it."
            )
            found = replace(found, notes=(*found.notes, note))
    return found


def _with_extensions(found: Found, options: argparse.Namespace) -> Found:
    """Find out whom the deadlines of their own are of, given now or before.

    They are kept by the names that the grades have; of whom has not handed
    in yet, as the teacher wrote it.
    """
    policy = publish.deadline(options.out, publishing(options))
    if policy is None or not policy.extensions:
        return found
    own, strangers = resolved(
        policy.extensions, found.submissions, "extensions"
    )
    is_new = options.extensions is not None
    options.extensions = own | {n: policy.extensions[n] for n in strangers}
    if not strangers or not is_new:
        return found
    note = nobody(strangers, "extensions")
    return replace(found, notes=(*found.notes, note))


def _isolation(is_unprotected: bool) -> str:
    """Return how student code is kept apart.

    Raises
    ------
    RefusedError
        When it cannot be, and nobody said that it need not.
    """
    if sys.platform == "win32":
        from attnbook.grading.isolation.apart import NO_WINDOWS

        raise RefusedError(NO_WINDOWS)
    if is_unprotected:
        return "none"
    from attnbook.grading.isolation.sandbox.support import support

    found = support()
    if found.ok:
        return "bubblewrap"
    ways = "".join(f"\n  • {way}" for way in found.ways_out)
    raise RefusedError(
        f"the sandbox does not work here. {found.reason}{ways}\n"
        "  • --no-sandbox grades without it: student code then runs with "
        "your rights, and each grade is marked as unprotected."
    )


def _refuse_other_shard(out: Path, run: Run) -> None:
    for old in runs.load_all(out):
        if old.exercise == run.exercise and run.shard not in (
            old.shard,
            Shard(),
        ):
            raise RefusedError(
                f"{out} holds share {old.shard} of {run.exercise}, and share "
                f"{run.shard} was asked for. Name another folder with --out; "
                "`merge` joins the two."
            )


def _regrade(
    options: argparse.Namespace, release: Release, students: Sequence[str]
) -> Regrade:
    """Read what is to be graded again.

    Raises
    ------
    RefusedError
        When there is no such student or cell.
    """
    asked = options.regrade_exercise
    known = [cell.grade_id for cell in release.graded]
    unknown = {name for name in asked if not release.cells_of(name)}
    _refuse_unknown("graded cell", unknown, known)
    cells = frozenset(
        cell for name in asked for cell in release.cells_of(name)
    )
    names = options.regrade
    if names is None and cells:
        names = []
    if names is None:
        return Regrade()
    _refuse_unknown("student", set(names) - set(students), students)
    return Regrade(frozenset(names), cells)


def _refuse_unknown(
    kind: str, unknown: set[str] | frozenset[str], known: Sequence[str]
) -> None:
    import difflib

    for name in sorted(unknown):
        near = difflib.get_close_matches(name, known, 5, 0) or known[:5]
        raise RefusedError(
            f"there is no {kind} {clean(name, 100)} in what is graded here. "
            f"There are {', '.join(near)}"
            f"{' and others' if len(known) > len(near) else ''}."
        )
