"""What the command ``class`` tells: what it will do, and what came of it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict

from attnbook.grading.classroom.options import publishing
from attnbook.grading.classroom.shards import Shard
from attnbook.grading.classroom.understanding import Understood
from attnbook.grading.grade import clean
from attnbook.grading.records import publish
from attnbook.grading.records.grades import Grade

_MOST_LISTED = 20


def intentions(understood: Understood, options: argparse.Namespace) -> str:
    """Say how it is going to be graded, and how much there is to do."""
    plan = understood.plan
    limits = ", ".join(
        f"{name.replace('_', ' ')} {value:g}"
        for name, value in asdict(understood.limits).items()
    )
    protection = understood.refusal or (
        "bubblewrap"
        if understood.isolation == "bubblewrap"
        else "NONE: student code runs with your rights"
    )
    changed = f" ({plan.changed} of them changed)" if plan.changed else ""
    due = publish.deadline(options.out, publishing(options))
    lines = [
        f"Deadline:    {str(due).removeprefix('Due ') if due else 'none'}",
        f"Limits:      {limits}",
        f"Isolation:   {protection}",
        f"To grade:    {len(plan.tasks)}{changed}; "
        f"{len(plan.done)} are graded already",
    ]
    if options.shard != Shard():
        lines.append(f"Shard:       {options.shard}, of the whole class")
    lines += [f"  • {note}" for note in plan.notes]
    return "\n".join(lines)


def _lateness(grades: Sequence[Grade]) -> list[str]:
    """Say how many are late and what it costs: a wrong time shows here."""
    late = [grade for grade in grades if grade.lateness.text]
    unknown = sum(
        grade.lateness.is_unknown and not grade.lateness.text
        for grade in grades
    )
    lines = []
    if late:
        lost = sum(grade.penalty for grade in late)
        lines.append(
            f"Late are {len(late)} of {len(grades)}, at a cost of {lost:g} "
            "points in all."
        )
    if unknown:
        lines.append(
            f"When {unknown} of {len(grades)} handed in is not known, and "
            "they count as in time: give the times with --times."
        )
    return lines


def summary(understood: Understood, published: publish.Published) -> str:
    """Sum up what the results of this exercise say."""
    exercise = understood.release.name
    grades = [
        grade
        for grade in published.grades
        if grade.graded.exercise == exercise
    ]
    found = [grade.graded for grade in grades]
    graded = sum(one.status == "graded" for one in found)
    totals = [grade.total for grade in grades if grade.total is not None]
    out_of = understood.release.points
    lines = ["", f"Graded {graded} of {len(found)} in {exercise}"]
    if totals:
        mean = sum(totals) / len(totals)
        full = sum(total >= out_of for total in totals)
        lines[-1] += (
            f": mean {mean:.1f} of {out_of:g} points, {full} with full marks"
        )
    lines[-1] += "."
    lines += _lateness(grades)
    trouble = [
        grade.graded
        for grade in grades
        if grade.graded.trouble and grade.total is None
    ]
    if trouble:
        lines += ["", f"Without a grade ({len(trouble)}):"]
        lines += [
            f"  • {clean(g.student, 60)}: {clean(g.trouble, 300)}"
            for g in trouble[:_MOST_LISTED]
        ]
        if len(trouble) > _MOST_LISTED:
            lines.append(f"  • and {len(trouble) - _MOST_LISTED} more")
    lines += [""]
    if understood.isolation == "none":
        lines.append(
            "Unprotected: student code ran without a sandbox, and could do "
            "whatever you can."
        )
    lines += [
        f"Class page:  {published.page}",
        f"Tables:      {published.page.with_name('grades.csv')}, also for "
        "Canvas and Moodle, and as JSON",
        f"Gradebook:   {published.database}",
        f"Isolation:   {understood.isolation}",
    ]
    return "\n".join(lines)
