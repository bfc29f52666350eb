"""What is wrong with an answer, and the words that say it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from attnbook.judging import inspection
from attnbook.judging.comparison import RANKS, brief, is_number, kind_of
from attnbook.judging.conditions import has_loop
from attnbook.judging.outcomes import Outcome, Outputs
from attnbook.judging.parts import Case, Property, WrongAnswer
from attnbook.judging.running import Runner

# What a stub says when it is called; other code says other things.
UNWRITTEN = "write this part, then run the cell again"

_LONGEST_QUOTE = 200  # characters of the learner's own exception


class Trouble(NamedTuple):
    """One thing that is wrong.

    ``kind`` is one of those of
    :class:`~attnbook.judging.messages.Diagnosis`.
    """

    kind: str
    lines: list[str]


def unfit(
    answer: Any, wants_class: bool, forbids_loops: bool
) -> Trouble | None:
    """Say why an answer need not even be tried, None where it can be."""
    if not callable(answer):
        what = "a class" if wants_class else "a function"
        got = kind_of(answer)
        hint = (
            "Pass the name alone, without calling it."
            if answer is not None
            else "Is the cell that defines it run?"
        )
        return Trouble("not callable", [f"Expected {what}, got {got}.", hint])
    if wants_class and not isinstance(answer, type):
        got = (
            "a function"
            if inspect.isroutine(answer)
            else "an object made from a class"
        )
        return Trouble(
            "not callable",
            [
                f"Expected a class, got {got}.",
                "Pass the class itself, without calling it.",
            ],
        )
    if forbids_loops and has_loop(answer):
        return Trouble(
            "forbidden",
            [
                f"`{name_of(answer)}` has a Python loop, and this "
                "exercise asks for none.",
                "Let the arrays do the work: one operation over a whole axis.",
            ],
        )
    return None


class Judge:
    """Holds what an answer did against what the reference did.

    Parameters
    ----------
    outputs, runner
        How outputs are compared, and how the answer was run.
    grade_id, reveal
        As :class:`attnbook.judging.exercise.Exercise` takes them.
    """

    def __init__(
        self,
        outputs: Outputs,
        runner: Runner,
        grade_id: str,
        reveal: bool,
    ) -> None:
        self._grade_id = grade_id
        self._outputs = outputs
        self._runner = runner
        self._reveal = reveal

    def trouble(
        self,
        expected: Outcome,
        outcome: Outcome,
        case: Case,
        gradients: bool,
        answer: Callable,
    ) -> Trouble | None:
        """Return what is wrong on a case, None if it is right.

        ``gradients`` says whether those count too.

        Raises
        ------
        RuntimeError
            When the reference itself has failed.
        """
        where = f"Case “{case.name}”: "
        if outcome.error is not None and outcome.stage == "call":
            return self._raised(outcome, where, case, answer)
        if expected.error is not None:
            raise RuntimeError(
                f"{self._grade_id}: the reference fails on the case "
                f"“{case.name}”"
            ) from expected.error
        found = self._outputs.differences(expected.output, outcome.output)
        first = found[0] if found else None
        told = None
        if first is not None and self._reveal:
            told = Trouble(
                first.kind,
                [
                    where + first.lines[0],
                    *first.lines[1:],
                    self._rebuilt(case),
                ],
            )
        elif first is not None:
            got = kind_of(outcome.output)
            asked = (
                ", a number is asked for"
                if first.kind == "type" and is_number(expected.output)
                else ""
            )
            told = Trouble(
                first.kind,
                [f"{where}{got} is not right{asked}.", *first.lines[1:]],
            )
        if first is not None and first.rank < RANKS["value"]:
            return told
        if outcome.changed:
            changed = " and ".join(f"`{name}`" for name in outcome.changed)
            return Trouble(
                "input changed",
                [
                    f"{where}your code changed its input {changed} in place.",
                    "The caller still needs it: make a new array or work on "
                    "a copy.",
                ],
            )
        if first is not None:
            return told
        if outcome.error is not None:
            return self._raised(outcome, where, case, answer)
        if gradients:
            return self._gradient_trouble(expected, outcome, where, case)
        return None

    def _raised(
        self, outcome: Outcome, where: str, case: Case, answer: Callable
    ) -> Trouble:
        error = outcome.error
        if isinstance(error, WrongAnswer):
            return Trouble("property", [where + str(error)])
        if is_of_a_stub(error):
            return _unwritten(error, answer)
        if isinstance(error, inspection.TakenAwayError):
            return Trouble(
                "forbidden",
                [
                    f"{where}your code calls `{error}`, which is taken away "
                    "in this exercise.",
                    "Write that step yourself.",
                ],
            )
        during = (
            " on inputs that require gradients"
            if outcome.stage == "gradients"
            else ""
        )
        lines = [
            f"{where}your code raised {type(error).__name__}{during}"
            f"{_quoted(error)}"
        ]
        place = _place(error)
        if place:
            lines.append(f"It was raised at {place}")
        lines.append(self._rebuilt(case))
        return Trouble("exception", lines)

    def _rebuilt(self, case: Case) -> str:
        """Show the inputs of a case, and how to get them."""
        names = self._runner.argument_names(case)
        values = [*case.arguments, *case.keywords.values()]
        shown = ", ".join(
            f"`{name}` {brief(value)}"
            for name, value in zip(names, values, strict=True)
        )
        if not self._reveal:
            return f"Inputs: {shown}."
        call = f'checks.inputs("{self._grade_id}", "{case.name}")'
        return f"Inputs: {shown}; `{call}` returns them."

    def _gradient_trouble(
        self, expected: Outcome, outcome: Outcome, where: str, case: Case
    ) -> Trouble | None:
        names = self._runner.gradient_names(case)
        for name, one, other in zip(
            names, expected.gradients, outcome.gradients, strict=True
        ):
            if one is None and other is None:
                continue
            if other is None:
                return Trouble(
                    "gradient",
                    [
                        f"{where}the values are right, but no gradient flows "
                        f"back to `{name}`.",
                        "Is there a `.detach()`, a `.item()`, a "
                        "`torch.tensor(…)` or a trip through NumPy on the "
                        "way?",
                    ],
                )
            if one is None:
                continue
            found = self._outputs.gradient_differences(one, other, name)
            if found:
                first = found[0]
                told = (
                    first.lines[0]
                    if first.kind == "nan"
                    else f"Its entry {first.lines[-1]}"
                )
                return Trouble(
                    "gradient",
                    [
                        f"{where}the values are right, but the gradient with "
                        f"respect to `{name}` is not.",
                        told,
                    ],
                )
        return None


def property_trouble(outcome: Outcome, property_: Property) -> Trouble:
    """Say that a property does not hold."""
    error = outcome.error
    if isinstance(error, WrongAnswer):
        return Trouble("property", str(error).splitlines())
    lines = [f"This should hold and does not: {property_.sentence}"]
    if error is not None:
        lines.append(
            f"Your code raised {type(error).__name__}{_quoted(error)}"
        )
    if property_.look:
        lines.append(f"Look again: {property_.look}")
    return Trouble("property", lines)


def name_of(answer: Callable) -> str:
    """Return the name that an answer goes by."""
    return getattr(answer, "__name__", type(answer).__name__)


# -- the learner's exceptions ----------------------------------------------


def _quoted(error: Exception) -> str:
    text = " ".join(str(error).split())
    if not text:
        return "."
    if len(text) > _LONGEST_QUOTE:
        text = text[: _LONGEST_QUOTE - 1] + "…"
    return f": {text}"


def is_of_a_stub(error: Exception | None) -> bool:
    """Tell a stub from what torch lacks, a missing method, `input()` …"""
    return type(error) is NotImplementedError and str(error) in (
        "",
        UNWRITTEN,
    )


def _unwritten(error: Exception, answer: Callable) -> Trouble:
    """Say that a stub was called: the answer, or another that it calls."""
    stub = re.search(r"of `(\w+)`", _place(error))
    name = name_of(answer)
    if stub is None or stub[1] == name:
        what = "it"
    elif isinstance(answer, type):
        what = f"its method `{stub[1]}`"
    else:
        return Trouble(
            "stub",
            [
                f"`{name}` calls `{stub[1]}`, which is not written yet.",
                f"Write `{stub[1]}` in its own exercise, run that cell, then "
                "this one again.",
            ],
        )
    return Trouble(
        "stub",
        [
            f"Not written yet: {what} still raises NotImplementedError.",
            "Put your code in place of that line and run both cells again.",
        ],
    )


def _place(error: Exception) -> str:
    """Return the last line of the learner's own code in a traceback."""
    elsewhere = getattr(error, "place_in_answer", None)
    if isinstance(elsewhere, str):  # it was raised in another process
        return elsewhere
    return inspection.place(error)
