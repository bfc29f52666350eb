"""The class page and the page of each student: HTML that needs nothing else.

No script, no font, no picture comes from elsewhere. Names of students and
files are escaped by jinja2, and what cannot be shown of them is taken out.
"""

from __future__ import annotations

import functools
import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from attnbook.grading.grade import clean
from attnbook.grading.intake.file_names import readable
from attnbook.grading.records.grades import Exercise, Grade, Item, of_exercise
from attnbook.grading.records.late import moment
from attnbook.grading.records.similarity import Similar, similar
from attnbook.grading.records.tables import feedback_of, number, worksheets_of
from attnbook.grading.report import Result, missing

if TYPE_CHECKING:
    from jinja2 import Environment

_BARS = 10  # of the distribution
_MOST_ROWS = 10  # of known mistakes
_LONGEST_NAME = 80  # characters of a name, on a page
_LONGEST_TEXT = 4_000
_NOT_WRITTEN = "Not written yet"
NAMED = (  # how a check begins the line that names a mistake
    "This looks like a known mistake",
    "Here it does what a known mistake does",
)
_LOOK = "Look again:"
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069"
    "\ud800-\udfff\ufffe\uffff]"
)
_CELL_FAILED = re.compile(r"(Cell \d+|The answer to “.*?”) failed: ")


def feedback(grade: Grade) -> str:
    """Return the page of one student on one exercise."""
    return _templates().get_template("feedback.html").render(grade=grade)


def page(exercises: Sequence[Exercise], grades: Sequence[Grade]) -> str:
    """Return the class page."""
    sections = [
        _section(exercise, of_exercise(grades, exercise.name))
        for exercise in exercises
    ]
    return (
        _templates()
        .get_template("class.html")
        .render(
            sections=sections,
            students=len({grade.student for grade in grades}),
            isolation=_isolation(grades),
            total=len(grades),
            moodle=list(worksheets_of(exercises).values()),
        )
    )


@functools.cache
def _templates() -> Environment:
    import jinja2

    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("attnbook.grading.records"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_harmless,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters |= {
        "points": number,
        "shown": lambda name: readable(name, _LONGEST_NAME),
        "text": lambda text: clean(text, _LONGEST_TEXT),
        "moment": moment,
        "percent": lambda share: f"{share * 100:.0f}%",
        "link": feedback_of,
        "time": _time,
    }
    return templates


def _harmless(value: object) -> object:
    """Take out what no page shows, or what turns the direction of writing.

    What is markup already went through here.
    """
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return _INVISIBLE.sub("�", value)


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    if minutes < 100:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


# -- what the class page tells of an exercise ------------------------------


@dataclass(frozen=True)
class ItemSummary:
    """How the class did on one item: an exercise, or a part of it."""

    item: Item
    judged: int  # submissions that a check judged
    full: int  # with all the points
    mean: float
    unwritten: int
    unnamed: int  # wrong, and no known mistake fits


@dataclass(frozen=True)
class MistakeSummary:
    """A known mistake that the class made."""

    title: str  # of the exercise
    name: str
    count: int
    sentence: str
    look: str


@dataclass(frozen=True)
class Trouble:
    """One kind of what went wrong: to whom, and why."""

    title: str
    text: str
    rows: tuple[tuple[Grade, str], ...]

    @property
    def students(self) -> int:
        """How many students it happened to."""
        return len({grade.student for grade, _ in self.rows})


@dataclass(frozen=True)
class Section:
    """All that the class page tells of an exercise."""

    exercise: Exercise
    grades: tuple[Grade, ...]
    totals: tuple[float, ...]
    bars: tuple[tuple[str, int], ...]  # least points, and how many have them
    items: tuple[tuple[str, tuple[ItemSummary, ...]], ...]  # by exercise
    mistakes: tuple[MistakeSummary, ...]
    more_mistakes: int
    similar: Similar
    by_student: dict[str, Grade]
    troubles: tuple[Trouble, ...]
    late: tuple[Grade, ...]
    unknown_times: int
    strangers: tuple[str, ...]  # with an extension and no submission
    waiting: tuple[Grade, ...]
    seconds: tuple[float, ...]
    slowest: Grade

    @property
    def mean(self) -> float:
        """The mean of the totals."""
        return statistics.fmean(self.totals)

    @property
    def median(self) -> float:
        """The median of the totals."""
        return statistics.median(self.totals)


def _section(exercise: Exercise, grades: Sequence[Grade]) -> Section:
    totals = tuple(g.total for g in grades if g.total is not None)
    mistakes = _mistakes(exercise, grades)
    return Section(
        exercise=exercise,
        grades=tuple(grades),
        totals=totals,
        bars=_distribution(totals, exercise.out_of),
        items=tuple(
            (
                title,
                tuple(
                    _item(grades, place)
                    for place, item in enumerate(exercise.items)
                    if item.title == title
                ),
            )
            for title in exercise.titles
        ),
        mistakes=tuple(mistakes[:_MOST_ROWS]),
        more_mistakes=len(mistakes[_MOST_ROWS:]),
        similar=similar(exercise, grades),
        by_student={grade.student: grade for grade in grades},
        troubles=tuple(_troubles(grades)),
        late=tuple(g for g in grades if g.lateness.text),
        unknown_times=sum(g.lateness.is_unknown for g in grades),
        strangers=tuple(
            sorted(
                set(exercise.policy.extensions) - {g.student for g in grades}
            )
            if exercise.policy
            else ()
        ),
        waiting=tuple(
            g
            for g in grades
            if g.graded.status == "graded"
            and any(each.mark.is_waiting for each in g.items)
        ),
        seconds=tuple(g.graded.report.seconds for g in grades),
        slowest=max(grades, key=lambda g: g.graded.report.seconds),
    )


def _distribution(
    totals: Sequence[float], out_of: float
) -> tuple[tuple[str, int], ...]:
    """Count the totals in equal parts of the points there are."""
    if out_of <= 0:
        return ()
    counts = [0] * _BARS
    for total in totals:
        counts[max(0, min(int(total / out_of * _BARS), _BARS - 1))] += 1
    step = out_of / _BARS
    return tuple(
        (str(number(step * i)), count) for i, count in enumerate(counts)
    )


def _item(grades: Sequence[Grade], place: int) -> ItemSummary:
    shown = [g.items[place] for g in grades if g.has_points]
    results = [each.result for each in shown if each.result]
    wrong = [result for result in results if result.status == "failed"]
    unwritten = sum(_NOT_WRITTEN in result.message for result in wrong)
    item = grades[0].exercise.items[place]
    return ItemSummary(
        item=item,
        judged=len(shown),
        full=sum(each.points >= item.points for each in shown),
        mean=statistics.fmean(each.points for each in shown) if shown else 0,
        unwritten=unwritten,
        unnamed=sum(not result.mistake for result in wrong) - unwritten,
    )


def _mistakes(
    exercise: Exercise, grades: Sequence[Grade]
) -> list[MistakeSummary]:
    """Count who made each known mistake, the most common first."""
    makers: dict[tuple[str, str], set[str]] = {}
    examples: dict[tuple[str, str], Result] = {}
    titles = {item.grade_id: item.title for item in exercise.items}
    for grade in grades:
        for result in grade.graded.report.results:
            if result.mistake:
                what = titles[result.grade_id], result.mistake
                makers.setdefault(what, set()).add(grade.student)
                examples.setdefault(what, result)
    return [
        MistakeSummary(
            title,
            name,
            len(students),
            *_advice(examples[title, name].message),
        )
        for (title, name), students in sorted(
            makers.items(), key=lambda each: (-len(each[1]), each[0])
        )
    ]


def _advice(message: str) -> tuple[str, str]:
    """Return what a message says of the known mistake, and where to look."""
    lines = [line.strip() for line in message.splitlines()]
    for place, line in enumerate(lines):
        if line.startswith(NAMED):
            rest = lines[place + 1 :]
            looks = [i for i, s in enumerate(rest) if s.startswith(_LOOK)]
            end = looks[0] if looks else 1
            look = rest[end].removeprefix(_LOOK).strip() if looks else ""
            return " ".join(rest[:end]), look
    return "", ""


def _troubles(grades: Sequence[Grade]) -> list[Trouble]:
    found = [
        Trouble(
            "Not graded",
            "Nothing in these submissions could be graded, or the grader "
            "failed. They have no points until they are graded again or a "
            "person gives some.",
            tuple((g, g.graded.trouble) for g in grades if g.graded.trouble),
        )
    ]
    for status, title, text in (
        ("crashed", "Crashed", "The code ended Python itself."),
        ("timed out", "Out of time", "The code was stopped."),
        ("not run", "Not run", "Other cells ended Python too often."),
    ):
        found.append(
            Trouble(
                title,
                text,
                tuple(
                    (grade, f"{one.label}. {' '.join(one.lines)}")
                    for grade in grades
                    for one in missing(grade.graded.report.results)
                    if one.status == status
                ),
            )
        )
    changed, failed = [], []
    for grade in grades:
        for note in grade.graded.report.notes:
            if _CELL_FAILED.match(note):
                failed.append((grade, note))
            elif "of the learner's own" not in note:
                changed.append((grade, note))
    found += [
        Trouble(
            "Changed or missing cells",
            "Cells that are graded or locked were taken from the release; "
            "what was changed has no effect on the grade.",
            tuple(changed),
        ),
        Trouble(
            "Other cells that failed",
            "Cells without points that did not run to their end.",
            tuple(failed),
        ),
    ]
    return [trouble for trouble in found if trouble.rows]


def _isolation(grades: Sequence[Grade]) -> dict[str, int]:
    """Count the grades by how the student's code was kept apart."""
    return dict(
        sorted(
            Counter(
                grade.graded.report.isolation or "not known"
                for grade in grades
                if grade.graded.status == "graded"
            ).items()
        )
    )
