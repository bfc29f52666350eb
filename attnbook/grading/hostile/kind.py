"""What a hostile submission is, and how its notebook is written."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

EFFECTS = ("file", "process", "connection", "gradebook", "time")

_SOFT, _LUONG = "00-soft-lookup", "02-luong-attention"
_SCALED = "03-scaled-dot-product"

# What a student writes who is honest in one exercise and knows nothing of
# another: the first answer earns its points beside every attack, the second
# none, whatever the attack says.
RIGHT = {
    _SOFT: {
        "00-conclude-answer": """\
def conclude(question):
    return {
        "share": 0.6065,
        "double": 0.6931,
        "sqrt": 0.2472,
        "half": 0.3947,
        "power": -1,
    }[question]
"""
    },
    _SCALED: {
        "03-sink-attention-answer": """\
def sink_attention(query, key, value, sink, mask):
    scores = query @ key.mT / query.shape[-1] ** 0.5
    scores = scores.masked_fill(~mask[:, None, None], -torch.inf)
    column = sink[:, None, None].expand(*scores.shape[:-1], 1)
    weights = torch.cat([scores, column], dim=-1).softmax(-1)[..., :-1]
    return weights @ value, weights
"""
    },
    _LUONG: {
        "02-predict-answer": """\
def predict(question):
    e = 2.718281828
    return {
        "a": 60,
        "b": 136,
        "c": 300,
        "d": 8,
        "e": 2640,
        "f": e**4 / (e**4 + 1),
        "g": 2.7,
    }[question]
"""
    },
}
WRONG = {
    _SOFT: {
        "00-softmax-vjp-answer": """\
def softmax_vjp(weights, upstream, temperature=1.0):
    return 0 * weights
"""
    },
    _SCALED: {
        "03-packed-attention-answer": """\
def packed_attention(query, key, value, query_document, key_document):
    weights = (query @ key.mT).softmax(-1)
    return weights @ value, weights
"""
    },
    _LUONG: {
        "02-window-backward-answer": """\
def window_backward(scores, raw, lengths, D, upstream):
    return 0 * scores, 0 * raw
"""
    },
}
EARNED = {
    _SOFT: {"00-conclude": 2.0},
    _SCALED: {"03-sink-attention": 4.0},
    _LUONG: {"02-predict": 3.0},
}


class Draft:
    """A copy of a released notebook that is about to be spoilt."""

    def __init__(self, content: dict) -> None:
        self.content = copy.deepcopy(content)

    @property
    def cells(self) -> list[dict]:
        """The cells, to be changed in place."""
        return self.content["cells"]

    def cell(self, name: str) -> dict:
        """Return the cell of a grade_id, or of an id.

        The name of an exercise stands for its first graded cell.

        Raises
        ------
        KeyError
            When there is none.
        """
        first = None
        for cell in self.cells:
            marks = cell["metadata"].get("nbgrader", {})
            mark = marks.get("grade_id", "")
            if name in (mark, cell.get("id")):
                return cell
            if marks.get("grade") and mark.startswith(f"{name}-"):
                first = first or cell
        if first is None:
            raise KeyError(name)
        return first

    def write(self, name: str, source: str) -> None:
        """Replace the source of a cell."""
        self.cell(name)["source"] = source

    def insert(
        self, source: str, before: str = "", metadata: dict | None = None
    ) -> None:
        """Put a code cell before another, or at the end."""
        place = (
            self.cells.index(self.cell(before)) if before else len(self.cells)
        )
        cell = {
            "cell_type": "code",
            "execution_count": None,
            "id": f"own-{len(self.cells)}",
            "metadata": metadata or {},
            "outputs": [],
            "source": source,
        }
        self.cells.insert(place, cell)

    def move(self, name: str, before: str) -> None:
        """Move a cell to the place before another."""
        cell = self.cell(name)
        self.cells.remove(cell)
        self.cells.insert(self.cells.index(self.cell(before)), cell)

    def marks(self, name: str) -> dict:
        """Return nbgrader's metadata of a cell, to be changed in place."""
        return self.cell(name)["metadata"]["nbgrader"]


@dataclass(frozen=True)
class Kind:
    """One way to cheat or to do harm, by a notebook.

    Parameters
    ----------
    name
        Short, and unlike any other.
    tries
        What it tries, as a sentence without a subject: "Replaces …".
    first
        A cell of the student's own, before all others but the imports.
    answers
        Sources by the solution cell's grade_id, besides an honest answer to
        one exercise and a wrong one to another.
    change
        Any other change of the notebook.
    deserves
        Points by exercise; those that are not named deserve 0.
    reports
        Words that a note or a message must contain.
    conceals
        Words that must stand nowhere in the report.
    looks_for
        The side effects it is after, of :data:`EFFECTS`; all are looked
        for in any case.
    is_harmless
        Whether it may be run without a sandbox, on one's own machine.
    times
        How often it is graded in a row; each time counts.
    caught
        False where the attack is known to succeed and leaves no trace: the
        points it gets are then those that an honest answer would get.

    Sources may hold names in double underscores that stand for what the
    traps set up: see :meth:`attnbook.grading.hostile.traps.Traps.fill`.
    """

    name: str
    tries: str
    first: str = ""
    answers: Mapping[str, str] = field(default_factory=dict)
    change: Callable[[Draft], None] | None = None
    exercise: str = _SCALED
    deserves: Mapping[str, float] | None = None
    reports: tuple[str, ...] = ()
    conceals: tuple[str, ...] = ()
    looks_for: tuple[str, ...] = ()
    is_harmless: bool = True
    times: int = 1
    caught: bool = True

    def __post_init__(self) -> None:
        unknown = set(self.looks_for) - set(EFFECTS)
        if unknown:
            raise ValueError(
                f"{self.name}: expected side effects of {EFFECTS}, got "
                f"{sorted(unknown)}"
            )

    @property
    def earned(self) -> Mapping[str, float]:
        """Points by exercise; those that are not named deserve 0."""
        return (
            EARNED[self.exercise] if self.deserves is None else (self.deserves)
        )

    def notebook(
        self, exercises: Path, fill: Callable[[str], str] = str
    ) -> bytes:
        """Write the notebook as it is handed in.

        Parameters
        ----------
        exercises
            The folder of the released notebooks.
        fill
            Puts in what the traps have set up.
        """
        released = exercises / f"{self.exercise}.ipynb"
        draft = Draft(json.loads(released.read_text("utf-8")))
        answers = {
            **RIGHT[self.exercise],
            **WRONG[self.exercise],
            **self.answers,
        }
        for name, source in answers.items():
            draft.write(name, fill(source))
        if self.first:
            place = draft.cells.index(draft.cell("imports")) + 1
            draft.insert(fill(self.first), draft.cells[place]["id"])
        if self.change is not None:
            self.change(draft)
        # Notebooks may hold what is no Unicode; so may this one.
        return json.dumps(draft.content).encode("ascii")
