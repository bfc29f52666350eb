"""The command ``merge``: join the results of shards.

::

    python -m attnbook.grading merge share-1 share-2 share-3 --out grades

What is merged is as if one machine had graded the whole class. It can be
repeated at any time, with the same shares or with more of them.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from attnbook.grading.arguments import Parser
from attnbook.grading.classroom import runs
from attnbook.grading.classroom.runs import Run, RunError
from attnbook.grading.classroom.shards import Shard
from attnbook.grading.records import publish, results
from attnbook.grading.records.results import Graded, ResultError

_MOST_LISTED = 10


class MergeError(Exception):
    """The shares do not belong together; the text says why."""


@dataclass(frozen=True)
class _Share:
    """What one machine left: a folder with the records of its runs."""

    place: Path
    runs: tuple[Run, ...]
    graded: tuple[Graded, ...]

    @property
    def exercises(self) -> tuple[str, ...]:
        return tuple(run.exercise for run in self.runs)


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit status."""
    parser = Parser(
        prog="python -m attnbook.grading merge",
        description="Join the results of shards and publish them.",
    )
    parser.add_argument(
        "shares",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="the --out of a shard",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="where the grades of the whole class go",
    )
    parser.add_argument(
        "--release",
        type=Path,
        metavar="FOLDER",
        help="folder of the released notebooks (default: exercises/)",
    )
    publish.add_arguments(parser)
    options = parser.parse_args(arguments)
    try:
        with runs.alone(options.out):
            return _merge(options)
    except (MergeError, ResultError, RunError, publish.PublishError) as error:
        print(f"Not merged: {error}", file=sys.stderr)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(f"Not merged: {place}{error.strerror}.", file=sys.stderr)
    return 2


def _merge(options: argparse.Namespace) -> int:
    shares = [_read(place) for place in options.shares]
    _refuse_strangers(shares)
    chosen = _chosen(shares)
    notes, gaps, merged = [], [], []
    for name in shares[0].exercises:
        own = [run for s in shares for run in s.runs if run.exercise == name]
        places = [
            s.place for s in shares for r in s.runs if r.exercise == name
        ]
        notes += _doubles(own, places)
        gaps += _gaps(own, places, chosen)
        merged.append(_joined(own))
    notes += _keep(options.out, chosen)
    for run in merged:
        runs.write(options.out, run)
        _keep_tables(options.out, run.exercise, shares)
    for note in notes:
        print(f"  • {note}")
    if not results.paths(options.out):
        raise MergeError("none of the shares has a result.")
    published = publish.publish(
        options.out,
        publish.options_of(
            options,
            merged[0].exercise if len(merged) == 1 else "",
            options.release,
        ),
    )
    print(
        f"Merged {len(chosen)} results of {len(shares)} shares into "
        f"{options.out}.\nClass page: {published.page}"
    )
    for name in _lost_deadlines(options.out, shares):
        print(
            f"No deadline: the shares have one for {name}, and the whole has "
            "none. Give it to `merge` with --due and the rest."
        )
    for gap in gaps:
        print(f"Not whole: {gap}", file=sys.stderr)
    return 2 if gaps else 0


def _read(place: Path) -> _Share:
    if not place.is_dir():
        raise MergeError(f"there is no folder {place}.")
    found = runs.load_all(place)
    if not found:
        raise MergeError(
            f"{place} is not the folder of a share: it has no runs/. Give "
            "the folders that --out of each shard named."
        )
    names = {run.exercise for run in found}
    graded = [g for g in results.load_all(place) if g.exercise in names]
    return _Share(place, tuple(found), tuple(graded))


def _refuse_strangers(shares: Sequence[_Share]) -> None:
    """Refuse shares of another exercise, release, package or division.

    Raises
    ------
    MergeError
        With the two folders that do not go together.
    """
    first = shares[0]
    for share in shares[1:]:
        pair = f"{first.place} and {share.place}"
        if share.exercises != first.exercises:
            raise MergeError(
                f"{pair} are of different exercises: "
                f"{', '.join(first.exercises)}; {', '.join(share.exercises)}."
            )
        for one, other in zip(first.runs, share.runs, strict=True):
            for what, same in (
                ("released notebooks", one.release == other.release),
                ("versions of the package", one.package == other.package),
                ("limits", one.limits == other.limits),
                ("isolation", one.isolation == other.isolation),
            ):
                if not same:
                    raise MergeError(
                        f"{pair} were graded with different {what}. Grade "
                        "both with the same, then merge."
                    )
            if one.shard.count != other.shard.count:
                raise MergeError(
                    f"{pair} are shards of different divisions, {one.shard} "
                    f"and {other.shard}."
                )


def _chosen(shares: Sequence[_Share]) -> list[Graded]:
    """Choose one result for each student and exercise.

    Raises
    ------
    MergeError
        When two shares disagree on what a student handed in.
    """
    best: dict[tuple[str, str], tuple[Graded, Path]] = {}
    for share in shares:
        for graded in share.graded:
            name = (graded.student, graded.exercise)
            if name not in best:
                best[name] = (graded, share.place)
                continue
            other, place = best[name]
            if other.key != graded.key:
                raise MergeError(
                    f"{place} and {share.place} hold different submissions "
                    f"of {graded.student}. Take the older one out, or grade "
                    "both shares again from the same submissions."
                )
            if _rank(graded) > _rank(other):
                best[name] = (graded, share.place)
    return [best[name][0] for name in sorted(best)]


def _rank(graded: Graded) -> tuple:
    # Where one of two graders failed, the other's grade stands.
    return (not graded.failure, graded.graded_at)


def _doubles(own: Sequence[Run], places: Sequence[Path]) -> list[str]:
    notes = []
    for shard in sorted({run.shard for run in own}, key=lambda s: s.index):
        same = [
            str(place)
            for run, place in zip(own, places, strict=True)
            if run.shard == shard
        ]
        if len(same) > 1:
            notes.append(
                f"Shard {shard} is there {len(same)} times: "
                f"{', '.join(same)}. Each student counts once."
            )
    if len({run.seed for run in own}) > 1:
        notes.append(
            "The shards drew their cases from different seeds. --seed FILE "
            "lets them share one."
        )
    return notes


def _gaps(
    own: Sequence[Run], places: Sequence[Path], chosen: Sequence[Graded]
) -> list[str]:
    """Say what is missing of an exercise."""
    name, count = own[0].exercise, own[0].shard.count
    there = {run.shard.index for run in own}
    gaps = [
        f"shard {Shard(index, count)} of {name} is missing."
        for index in range(1, count + 1)
        if index not in there
    ]
    graded = {results.key_of(g.student) for g in chosen if g.exercise == name}
    told = set()
    for run, place in zip(own, places, strict=True):
        missing = sorted(set(run.students) - graded)
        if missing and run.shard not in told:
            told.add(run.shard)
            more = " and others" * (len(missing) > _MOST_LISTED)
            gaps.append(
                f"{len(missing)} of {len(run.students)} students of shard "
                f"{run.shard} are not graded in {place}: "
                f"{', '.join(missing[:_MOST_LISTED])}{more}. Run that shard "
                "again."
            )
    return gaps


def _joined(own: Sequence[Run]) -> Run:
    """Return the record of the whole, as one machine would leave it."""
    seeds = sorted({run.seed for run in own})
    seed = seeds[0]
    if len(seeds) > 1:
        seed = hashlib.sha256("".join(seeds).encode()).hexdigest()[:16]
    return replace(
        own[0],
        shard=Shard(),
        seed=seed,
        students=tuple(sorted({s for run in own for s in run.students})),
        merged_from=tuple(sorted({str(run.shard) for run in own})),
    )


def _keep_tables(out: Path, exercise: str, shares: Sequence[_Share]) -> None:
    """Take over the teacher's tables, for who is graded again in the whole."""
    for kind in runs.TABLES:
        for share in shares:
            table = runs.table_path(share.place, exercise, kind)
            if table.exists():
                runs.keep_table(out, exercise, kind, table)
                break


def _lost_deadlines(out: Path, shares: Sequence[_Share]) -> list[str]:
    """Name the exercises that have a deadline in the shares alone.

    It is not taken over: who merges says what holds for the whole.
    """
    there = {
        name
        for share in shares
        for name in publish.read_settings(share.place)["deadlines"]
    }
    return sorted(there - set(publish.read_settings(out)["deadlines"]))


def _keep(out: Path, chosen: Sequence[Graded]) -> list[str]:
    """Write what is chosen, unless the folder has something later."""
    notes = []
    for graded in chosen:
        path = results.path_of(out, graded.student, graded.exercise)
        old = results.load(path) if path.exists() else None
        if old == graded:
            continue
        if old is not None and _rank(old) > _rank(graded):
            if old.key != graded.key:
                notes.append(
                    f"{graded.student} was graded again in {out} since; that "
                    "result was kept."
                )
            continue
        results.write(out, graded)
    return notes
