"""What an exercise is, and how an answer to it is judged.

An :class:`Exercise` holds a reference, the cases to try, and the known
mistakes *as code*. ``exercise.check(answer)`` runs the answer on every case.
Where it fails, the message says what is wrong and, if the answer behaves as
one of the known mistakes does, names that mistake and says where to look
again.

Values are NumPy arrays, torch tensors, numbers, strings, booleans, ``None``,
and tuples, lists and dicts of these. torch is never imported here: a value
can only be a tensor when somebody else has imported it.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import re
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from attnbook.judging.comparison import (
    RANKS,
    Difference,
    as_array,
    brief,
    detached,
    differences,
    floating_tensors,
    is_data,
    is_number,
    kind_of,
    nudged,
    row_sums,
    with_gradients,
)
from attnbook.judging.conditions import (
    TakenAwayError,
    has_loop,
    trial,
)

__all__ = [
    "Case",
    "Diagnosis",
    "Exercise",
    "Mistake",
    "Property",
    "WrongAnswer",
    "assert_sound",
    "points_so_far",
]

_LONGEST_MESSAGE = 8  # lines
_LONGEST_QUOTE = 200  # characters of the learner's own exception
_STEADY = 10  # times the tolerance, for numbers a millionth away

# What is told of a case that was drawn anew: nothing of its numbers.
_FRESH = {
    "stub": "not written for all of them.",
    "forbidden": "your code calls what is taken away in this exercise.",
    "exception": "your code raised an exception.",
    "type": "a result is not of the kind that is asked for.",
    "shape": "a result has the wrong shape.",
    "nan": "a result holds NaN, “not a number”.",
    "input changed": "your code changed an input in place.",
    "property": "what your code returned cannot be used.",
    "value": "a result is another number.",
    "gradient": "the values are right, but a gradient is not.",
}


class WrongAnswer(AssertionError):  # noqa: N818, it is read as a sentence
    """Raised by a check; its text is what the learner reads.

    ``mistake`` is the name of the known mistake that the answer makes.
    """

    mistake: str = ""

    def _render_traceback_(self) -> list[str]:
        """Show the message alone in a notebook, not the check's frames."""
        return str(self).splitlines()


@dataclass(frozen=True)
class Mistake:
    """A known mistake: code that makes it, and what to tell who made it.

    ``sentence`` says what is wrong, ``look`` where to look again. ``also``
    holds other code that makes the same mistake. ``shows(case, output)``
    knows the mistake by an output that no code of ours gives, because it
    hangs on the learner's own numbers.
    """

    name: str
    sentence: str
    answer: Callable
    look: str
    also: tuple[Callable, ...] = ()
    shows: Callable[[Case, Any], bool] | None = None


@dataclass(frozen=True)
class Case:
    """Inputs to try. Each call gets its own deep copy of them.

    ``look`` may say where to look again where no known mistake fits.
    """

    name: str
    arguments: tuple
    keywords: dict = field(default_factory=dict)
    look: str = ""


@dataclass(frozen=True)
class Property:
    """Something that must hold of the answer, whatever its numbers.

    ``holds(answer)`` returns whether it does; ``sentence`` says what must
    hold ("Each row of weights sums to 1."). ``look`` may say where to look
    again.
    """

    sentence: str
    holds: Callable[[Callable], bool]
    look: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong with an answer.

    ``kind`` is one of "not callable", "stub", "forbidden", "exception",
    "type", "shape", "nan", "input changed", "property", "value" and
    "gradient". ``mistake`` is the name of the known mistake it looks like,
    or None.
    """

    kind: str
    message: str
    mistake: str | None = None


@dataclass
class _Outcome:
    """What came of one call: data only, so that it can be compared."""

    output: Any = None
    changed: tuple[str, ...] = ()
    gradients: list | None = None
    error: Exception | None = None
    stage: str = "call"  # or "gradients": where the error was raised


class Exercise:
    """One exercise: what is asked, what is right, what often goes wrong.

    Parameters
    ----------
    grade_id
        The grade_id of the notebook's graded cell, ``00-top-k-lookup``.
    title, points
        As the scoreboard shows them.
    reference
        A right answer. Where it is a class, a class is expected.
    cases
        The inputs to try, simplest first: the first one that fails is the
        one the learner reads about.
    mistakes
        Known mistakes as code.
    right_answers
        Other right answers, written differently. Tests accept each.
    properties
        :class:`Property` objects or ``(sentence, holds)`` pairs, tried
        after all cases.
    forbidden
        Dotted names that raise while the answer runs, such as
        ``"torch.nn.functional.softmax"`` or ``"torch.Tensor.softmax"``;
        and ``"loop"``: no Python loop or comprehension in the answer.
    tolerance
        Values agree where ``|got - expected| <= tolerance * (1 +
        |expected|)``.
    gradients
        Compare gradients too: of a fixed random projection of the outputs
        with respect to each floating-point tensor among the inputs.
    outputs
        Names of the outputs where the answer returns a tuple,
        ``("output", "weights")``.
    axes
        Letters of the axes of an output, by its name (a single output is
        called "output"): ``{"weights": "B T S"}``.
    run
        ``run(answer, *arguments, **keywords)`` returns the output to
        judge; the default calls the answer. Use it for classes: build,
        load weights, call. It may raise WrongAnswer with a sentence of
        its own.
    reveal
        Whether the message may tell the right value. False where the
        answer is a prediction, which can be tried again: then the message
        begins with the questions that are right and those that are not,
        by the first argument of each case.
    fresh
        ``fresh(seed)`` returns cases of other numbers and sizes, of the
        same kind. They are tried last, and only where a grader has set
        ``secret_seed``; the message quotes nothing of them.
    """

    # A grader that gives points sets it for a run; learners never see it.
    secret_seed: int | None = None

    def __init__(
        self,
        grade_id: str,
        title: str,
        points: int,
        reference: Callable,
        cases: Iterable[Case],
        mistakes: Iterable[Mistake] = (),
        right_answers: Iterable[Callable] = (),
        properties: Iterable[Property | tuple[str, Callable]] = (),
        forbidden: Iterable[str] = (),
        tolerance: float = 1e-5,
        gradients: bool = False,
        outputs: Sequence[str] = (),
        axes: Mapping[str, str] | None = None,
        run: Callable | None = None,
        reveal: bool = True,
        fresh: Callable[[int], Iterable[Case]] | None = None,
    ) -> None:
        self.grade_id = grade_id
        self.title = title
        self.points = points
        self.reference = reference
        self.cases = tuple(cases)
        self.mistakes = tuple(mistakes)
        self.right_answers = tuple(right_answers)
        self.properties = tuple(
            p if isinstance(p, Property) else Property(*p) for p in properties
        )
        self.forbidden = tuple(forbidden)
        self.tolerance = tolerance
        self.gradients = gradients
        self.outputs = tuple(outputs)
        self.axes = dict(axes or {})
        self.run = run
        self.reveal = reveal
        self.fresh = fresh
        if not self.cases:
            raise ValueError(
                f"{grade_id}: an exercise needs at least one case, got none"
            )
        names = [mistake.name for mistake in self.mistakes]
        if len(set(names)) < len(names):
            raise ValueError(
                f"{grade_id}: the mistakes need names of their own, "
                f"got {names}"
            )
        self._known: dict[tuple[int, int], _Outcome] = {}
        self._drawn: dict[int, tuple[Case, ...]] = {}  # by seed
        _SCOREBOARD[grade_id] = self
        self.earned: int | None = None

    def check(self, answer: Callable) -> None:
        """Judge an answer, record its points and print one line.

        Raises
        ------
        WrongAnswer
            When the answer is not right; its text is the message.
        """
        self.earned = 0
        try:
            # A graded cell that writes to stderr gets no points in
            # nbgrader, so the learner's own warnings go to stdout.
            with contextlib.redirect_stderr(sys.stdout):
                diagnosis = self.diagnose(answer)
        except WrongAnswer as error:
            raise error.with_traceback(None) from None
        if diagnosis is not None:
            error = WrongAnswer(diagnosis.message)
            error.mistake = diagnosis.mistake or ""
            raise error
        self.earned = self.points
        print(f"✓ {self.title}: {self.points} of {_points(self.points)}")

    def diagnose(self, answer: Callable) -> Diagnosis | None:
        """Say what is wrong with an answer, None if nothing is.

        Records and prints nothing.
        """
        unfit = self._unfit(answer)
        if unfit is not None:
            return unfit
        outcomes = []
        for case in self.cases:
            expected = self._quietly_known(case)
            outcome = self._evaluate(answer, case, watched=True)
            outcomes.append(outcome)
            trouble = self._trouble(expected, outcome, case)
            if trouble is not None:
                tally = self._tally(answer, outcomes)
                return self._with_mistake(
                    answer, outcomes, case, trouble, tally
                )
        for property_ in self.properties:
            outcome = self._observe(answer, property_, watched=True)
            outcomes.append(outcome)
            if outcome.error is not None or not outcome.output:
                trouble = self._property_trouble(outcome, property_)
                return self._with_mistake(answer, outcomes, property_, trouble)
        return self._diagnose_fresh(answer)

    def _diagnose_fresh(self, answer: Callable) -> Diagnosis | None:
        """Try the cases that a grader has drawn anew, if it has."""
        outcomes = []
        cases = self.fresh_cases()
        for case in cases:
            expected = self._quietly_known(case)
            outcome = self._evaluate(answer, case, watched=True)
            outcomes.append(outcome)
            trouble = self._trouble(expected, outcome, case)
            if trouble is not None:
                mistake = self._matching_mistake(
                    answer, outcomes, case, trials=cases
                )
                return self._fresh_diagnosis(trouble[0], mistake)
        return None

    def fresh_cases(self) -> tuple[Case, ...]:
        """Return the cases of the secret seed, none where there is none.

        A case on which rounding alone could turn a right answer into a
        wrong one, a tie that is nearly one, is left out.
        """
        seed = self.secret_seed
        if seed is None or self.fresh is None:
            return ()
        if seed not in self._drawn:
            self._drawn[seed] = tuple(
                filter(self._is_steady, self.fresh(seed))
            )
        return self._drawn[seed]

    # -- running ---------------------------------------------------------

    def _call(self, answer: Callable, case: Case, arguments, keywords) -> Any:
        if self.run is not None:
            return self.run(answer, *arguments, **keywords)
        return answer(*arguments, **keywords)

    def _evaluate(
        self, answer: Callable, case: Case, watched: bool = False
    ) -> _Outcome:
        """Run an answer on a case: the one place that calls it."""
        arguments, keywords = copy.deepcopy((case.arguments, case.keywords))
        outcome = _Outcome()
        forbidden = self.forbidden if watched else ()
        try:
            with trial(answer, forbidden):
                outcome.output = self._call(answer, case, arguments, keywords)
            outcome.output = copy.deepcopy(detached(outcome.output))
        except WrongAnswer as error:
            outcome.error = error
            return outcome
        except Exception as error:
            outcome.error = error
            return outcome
        outcome.changed = self._changed(case, arguments, keywords)
        if not self.gradients or outcome.changed:
            return outcome
        try:
            with trial(answer, forbidden):
                outcome.gradients = self._gradients(answer, case)
        except Exception as error:
            outcome.error, outcome.stage = error, "gradients"
        return outcome

    def _quietly(self, answer: Callable, case: Case) -> _Outcome:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self._evaluate(answer, case)

    def _quietly_known(self, case: Case) -> _Outcome:
        """Run the reference on a case, once for all."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            known = self._try_known(self.reference, case)
        if known.error is not None:
            # It ran short of memory, say: that must not last for others.
            self._known.clear()
        return known

    def _is_steady(self, case: Case) -> bool:
        """Say whether numbers a millionth away give nearly the same."""
        one = self._quietly(self.reference, case)
        tolerance = _STEADY * self.tolerance
        for by in (1e-6, -1e-6):  # of two that nearly tie, each is ahead once
            inputs = nudged(
                (case.arguments, case.keywords), by, np.random.default_rng(0)
            )
            other = self._quietly(self.reference, Case(case.name, *inputs))
            if differences(one.output, other.output, "", tolerance):
                return False
            if differences(one.gradients, other.gradients, "", tolerance * 10):
                return False
        return True

    def _observe(
        self, answer: Callable, property_: Property, watched: bool = False
    ) -> _Outcome:
        forbidden = self.forbidden if watched else ()
        try:
            with trial(answer, forbidden):
                return _Outcome(output=bool(property_.holds(answer)))
        except Exception as error:
            return _Outcome(error=error)

    def _gradients(self, answer: Callable, case: Case) -> list:
        torch = sys.modules["torch"]
        arguments, keywords = copy.deepcopy((case.arguments, case.keywords))
        leaves: list = []
        arguments = with_gradients(arguments, leaves)
        keywords = with_gradients(keywords, leaves)
        output = self._call(answer, case, arguments, keywords)
        generator = torch.Generator().manual_seed(0)
        total = None
        for tensor in floating_tensors(output):
            direction = torch.randn(
                tensor.shape, generator=generator, dtype=torch.float64
            )
            part = (tensor * direction.to(tensor)).sum()
            total = part if total is None else total + part
        if total is None or not total.requires_grad:
            return [None] * len(leaves)
        found = torch.autograd.grad(total, leaves, allow_unused=True)
        return [
            np.zeros(tuple(leaf.shape))
            if gradient is None
            else as_array(gradient)
            for leaf, gradient in zip(leaves, found, strict=True)
        ]

    def _changed(self, case: Case, arguments, keywords) -> tuple[str, ...]:
        names = self._argument_names(case)
        before = [*case.arguments, *case.keywords.values()]
        after = [*arguments, *(keywords[name] for name in case.keywords)]
        return tuple(
            name
            for name, old, new in zip(names, before, after, strict=True)
            if is_data(old) and differences(old, new, "", 0.0)
        )

    @cached_property
    def _parameters(self) -> list[inspect.Parameter]:
        function = self.run or self.reference
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):
            parameters = []
        return parameters if self.run is None else parameters[1:]

    def _argument_names(self, case: Case) -> list[str]:
        parameters = self._parameters
        names = []
        for position in range(len(case.arguments)):
            plain = position < len(parameters) and parameters[
                position
            ].kind in (
                inspect.Parameter.POSITIONAL_ONLY,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
            )
            names.append(
                parameters[position].name
                if plain
                else f"argument {position + 1}"
            )
        return [*names, *case.keywords]

    # -- judging ---------------------------------------------------------

    def _tally(self, answer: Callable, outcomes: list[_Outcome]) -> list[str]:
        """Say which questions are right, the first cases being known."""
        if self.reveal:
            return []
        marks: dict[bool, list[str]] = {True: [], False: []}
        for place, case in enumerate(self.cases):
            outcome = (
                outcomes[place]
                if place < len(outcomes)
                else self._quietly(answer, case)
            )
            expected = self._quietly_known(case)
            right = self._trouble(expected, outcome, case) is None
            marks[right].append(str(case.arguments[0]))
        right, wrong = (", ".join(marks[mark]) for mark in (True, False))
        if not right:
            return [f"None is right yet: {wrong}."]
        verbs = ["is" if len(marks[m]) == 1 else "are" for m in (True, False)]
        return [f"{right} {verbs[0]} right; {wrong} {verbs[1]} not."]

    def _unfit(self, answer: Callable) -> Diagnosis | None:
        if not callable(answer):
            what = "a class" if self._wants_class else "a function"
            got = kind_of(answer)
            hint = (
                "Pass the name alone, without calling it."
                if answer is not None
                else "Is the cell that defines it run?"
            )
            return self._diagnosis(
                "not callable", [f"Expected {what}, got {got}.", hint]
            )
        if self._wants_class and not isinstance(answer, type):
            got = (
                "a function"
                if inspect.isroutine(answer)
                else "an object made from a class"
            )
            return self._diagnosis(
                "not callable",
                [
                    f"Expected a class, got {got}.",
                    "Pass the class itself, without calling it.",
                ],
            )
        if "loop" in self.forbidden and has_loop(answer):
            return self._diagnosis(
                "forbidden",
                [
                    f"`{_name_of(answer)}` has a Python loop, and this "
                    "exercise asks for none.",
                    "Let the arrays do the work: one operation over a "
                    "whole axis.",
                ],
            )
        return None

    @property
    def _wants_class(self) -> bool:
        return isinstance(self.reference, type)

    def _trouble(
        self, expected: _Outcome, outcome: _Outcome, case: Case
    ) -> tuple[str, list[str]] | None:
        """Return the kind of failure and its lines, None if right."""
        where = f"Case “{case.name}”: "
        if outcome.error is not None and outcome.stage == "call":
            return self._raised(outcome, where, case)
        if expected.error is not None:
            raise RuntimeError(
                f"{self.grade_id}: the reference fails on the case "
                f"“{case.name}”"
            ) from expected.error
        found = self._compare(expected.output, outcome.output)
        first = found[0] if found else None
        told = None
        if first is not None and self.reveal:
            told = first.kind, [where + first.lines[0], *first.lines[1:]]
        elif first is not None:
            got = kind_of(outcome.output)
            asked = (
                ", a number is asked for"
                if first.kind == "type" and is_number(expected.output)
                else ""
            )
            told = (
                first.kind,
                [f"{where}{got} is not right{asked}.", *first.lines[1:]],
            )
        if first is not None and first.rank < RANKS["value"]:
            return told
        if outcome.changed:
            changed = " and ".join(f"`{name}`" for name in outcome.changed)
            return "input changed", [
                f"{where}your code changed its input {changed} in place.",
                "The caller still needs it: make a new array or work on a "
                "copy.",
            ]
        if first is not None:
            return told
        if outcome.error is not None:
            return self._raised(outcome, where, case)
        if self.gradients:
            return self._gradient_trouble(expected, outcome, where, case)
        return None

    def _raised(
        self, outcome: _Outcome, where: str, case: Case
    ) -> tuple[str, list[str]]:
        error = outcome.error
        if isinstance(error, WrongAnswer):
            return "property", [where + str(error)]
        if isinstance(error, NotImplementedError):
            return "stub", [
                "Not written yet: it still raises NotImplementedError.",
                "Put your code in place of that line and run both cells "
                "again.",
            ]
        if isinstance(error, TakenAwayError):
            return "forbidden", [
                f"{where}your code calls `{error}`, which is taken away "
                "in this exercise.",
                "Write that step yourself.",
            ]
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
        lines.append(f"The inputs: {self._inputs(case)}.")
        return "exception", lines

    def _inputs(self, case: Case) -> str:
        names = self._argument_names(case)
        values = [*case.arguments, *case.keywords.values()]
        return ", ".join(
            f"`{name}` {brief(value)}"
            for name, value in zip(names, values, strict=True)
        )

    def _compare(self, expected: Any, got: Any) -> list[Difference]:
        """Return the differences between two outputs, the gravest first."""
        named = isinstance(expected, tuple) and len(self.outputs) == len(
            expected
        )
        if (
            named
            and isinstance(got, (tuple, list))
            and len(got) == len(expected)
        ):
            found = []
            for name, one, other in sorted(
                zip(self.outputs, expected, got, strict=True),
                key=lambda each: each[0] != "weights",
            ):
                some = differences(one, other, name, self.tolerance, self.axes)
                if name == "weights" and some and some[0].kind == "value":
                    sums = row_sums(one, other, name)
                    lines = (*sums, *some[0].lines)
                    some = [Difference(some[0].rank, some[0].kind, lines)]
                found += some
        elif named:
            names = ", ".join(self.outputs)
            found = [
                Difference(
                    RANKS["type"],
                    "type",
                    (f"expected a tuple ({names}), got {kind_of(got)}.",),
                )
            ]
        else:
            found = differences(
                expected, got, "output", self.tolerance, self.axes
            )
        return sorted(found, key=lambda difference: difference.rank)

    def _gradient_trouble(
        self, expected: _Outcome, outcome: _Outcome, where: str, case: Case
    ) -> tuple[str, list[str]] | None:
        names = self._gradient_names(case)
        for name, one, other in zip(
            names, expected.gradients, outcome.gradients, strict=True
        ):
            if one is None and other is None:
                continue
            if other is None:
                return "gradient", [
                    f"{where}the values are right, but no gradient flows "
                    f"back to `{name}`.",
                    "Is there a `.detach()`, a `.item()`, a `torch.tensor("
                    "…)` or a trip through NumPy on the way?",
                ]
            if one is None:
                continue
            found = differences(one, other, name, self.tolerance * 10)
            if found:
                first = found[0]
                told = (
                    first.lines[0]
                    if first.kind == "nan"
                    else f"Its entry {first.lines[-1]}"
                )
                return "gradient", [
                    f"{where}the values are right, but the gradient with "
                    f"respect to `{name}` is not.",
                    told,
                ]
        return None

    def _gradient_names(self, case: Case) -> list[str]:
        names = []
        values = [*case.arguments, *case.keywords.values()]
        for name, value in zip(
            self._argument_names(case), values, strict=True
        ):
            names += _tensor_names(name, value)
        return names

    def _property_trouble(
        self, outcome: _Outcome, property_: Property
    ) -> tuple[str, list[str]]:
        error = outcome.error
        if isinstance(error, WrongAnswer):
            return "property", str(error).splitlines()
        lines = [f"This should hold and does not: {property_.sentence}"]
        if error is not None:
            lines.append(
                f"Your code raised {type(error).__name__}{_quoted(error)}"
            )
        if property_.look:
            lines.append(f"Look again: {property_.look}")
        return "property", lines

    # -- naming the mistake ----------------------------------------------

    def _with_mistake(
        self,
        answer: Callable,
        outcomes: list[_Outcome],
        where: Case | Property,
        trouble: tuple[str, list[str]],
        tally: Sequence[str] = (),
    ) -> Diagnosis:
        kind, lines = trouble
        if kind in ("stub", "forbidden"):
            return self._diagnosis(kind, lines)
        mistake = self._matching_mistake(answer, outcomes, where)
        if mistake is None:
            return self._diagnosis(
                kind, [*tally, *lines, *self._fallback(kind, where)]
            )
        named = [
            f"This looks like a known mistake: {mistake.name}.",
            mistake.sentence,
            f"Look again: {mistake.look}",
        ]
        if isinstance(where, Property):
            # The property's own advice is for those without a diagnosis.
            lines = [*named, lines[0]]
        else:
            lines = [*tally, *lines[: 3 - len(tally)], *named]
        return self._diagnosis(kind, lines, mistake.name)

    def _fresh_diagnosis(
        self, kind: str, mistake: Mistake | None
    ) -> Diagnosis:
        """Say that only the known cases are right, and quote none."""
        lines = [
            "Right on the cases of the notebook, wrong on others: "
            f"{_FRESH[kind]}",
            "The others are made alike, with new numbers and sizes for each "
            "grading.",
            "Does your code hold numbers or a size of the cases that it was "
            "shown?",
        ]
        if mistake is None:
            lines.append(
                "Try it on inputs that you make up, one of them by hand, in "
                "sizes that all differ."
            )
            return self._diagnosis(kind, lines)
        lines += [
            f"On those it looks like a known mistake: {mistake.name}.",
            mistake.sentence,
            f"Look again: {mistake.look}",
        ]
        return self._diagnosis(kind, lines, mistake.name)

    def _fallback(self, kind: str, where: Case | Property) -> list[str]:
        """Say what to do where no known mistake fits."""
        if kind == "exception":
            return ["A hint “I see …” of this exercise may name this error."]
        if kind == "value" and isinstance(where, Case) and where.look:
            return [f"No known mistake gives this number. {where.look}"]
        return []

    def _matching_mistake(
        self,
        answer: Callable,
        outcomes: list[_Outcome],
        where: Case | Property,
        trials: Sequence[Case | Property] = (),
    ) -> Mistake | None:
        """Find the mistake that does what the answer does where it fails.

        Among those, the one that agrees with it on most of the cases and
        properties; the first listed where they are level. Where none
        agrees on all, one that is known by what it shows comes first. Any
        slip may raise a RuntimeError: where the answer raised, a mistake
        must raise with the same words, or agree on all. `trials` are the
        fixed cases and the properties, where no others are given.
        """
        trials = trials or [*self.cases, *self.properties]
        failed = len(outcomes) - 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = list(outcomes)
            expected = self._try_known(self.reference, trials[failed])
            best, most = None, 0
            known = [
                (mistake, made)
                for mistake in self.mistakes
                for made in (mistake.answer, *mistake.also)
            ]
            for mistake, made in known:
                at_fault = self._try_known(made, trials[failed])
                if not self._same(at_fault, outcomes[failed]):
                    continue
                if self._same(at_fault, expected):
                    continue
                if len(theirs) < len(trials):
                    with contextlib.redirect_stdout(None):
                        theirs += [
                            self._try(answer, trial, watched=True)
                            for trial in trials[len(theirs) :]
                        ]
                level = sum(
                    self._same(self._try_known(made, trial), outcome)
                    for trial, outcome in zip(trials, theirs, strict=True)
                )
                if level < len(trials) and not _alike(
                    at_fault.error, outcomes[failed].error
                ):
                    continue
                if level > most:
                    best, most = mistake, level
        if most < len(trials) and isinstance(where, Case):
            return self._shown_mistake(where, outcomes[-1]) or best
        return best

    def _shown_mistake(self, case: Case, outcome: _Outcome) -> Mistake | None:
        if outcome.error is not None:
            return None
        for mistake in self.mistakes:
            # An output of an unforeseen kind shows nothing.
            with contextlib.suppress(AttributeError, TypeError, ValueError):
                if mistake.shows and mistake.shows(case, outcome.output):
                    return mistake
        return None

    def _try(
        self, answer: Callable, trial: Case | Property, watched: bool = False
    ) -> _Outcome:
        if isinstance(trial, Property):
            return self._observe(answer, trial, watched)
        return self._evaluate(answer, trial, watched)

    def _try_known(self, made: Callable, trial: Case | Property) -> _Outcome:
        """Try code of ours; it does the same each time, so once will do."""
        key = id(made), id(trial)
        if key not in self._known:
            self._known[key] = self._try(made, trial)
        return self._known[key]

    def _same(self, one: _Outcome, other: _Outcome) -> bool:
        if one.error is not None or other.error is not None:
            return (
                type(one.error) is type(other.error)
                and one.stage == other.stage
                and _is_in_place(one.error) == _is_in_place(other.error)
            )
        if one.changed != other.changed:
            return False
        if self._compare(one.output, other.output):
            return False
        if (one.gradients is None) != (other.gradients is None):
            return False
        return one.gradients is None or not differences(
            one.gradients, other.gradients, "", self.tolerance * 10
        )

    def _diagnosis(
        self, kind: str, lines: Sequence[str], mistake: str | None = None
    ) -> Diagnosis:
        text = [f"✗ {self.title}"]
        for line in lines:
            text += [f"  {part}" for part in line.splitlines()]
        return Diagnosis(kind, "\n".join(text[:_LONGEST_MESSAGE]), mistake)


# -- the scoreboard --------------------------------------------------------

_SCOREBOARD: dict[str, Exercise] = {}


def points_so_far(
    exercises: Mapping[str, Exercise] | Iterable[Exercise] | None = None,
) -> None:
    """Print the points of each exercise and their total.

    Parameters
    ----------
    exercises
        Those to list; by default all that have been defined in this
        process.
    """
    if exercises is None:
        exercises = _SCOREBOARD
    if isinstance(exercises, Mapping):
        exercises = exercises.values()
    exercises = list(exercises)
    width = max([len(e.title) for e in exercises] + [len("Points so far")])
    print(f"{'Points so far':<{width}}")
    print("─" * (width + 9))
    for exercise in exercises:
        earned = "–" if exercise.earned is None else str(exercise.earned)
        mark = {None: "not run yet", 0: "✗"}.get(exercise.earned, "✓")
        print(
            f"{exercise.title:<{width}}  {earned:>3} / "
            f"{exercise.points:<2}  {mark}"
        )
    total = sum(exercise.earned or 0 for exercise in exercises)
    possible = sum(exercise.points for exercise in exercises)
    print("─" * (width + 9))
    print(f"{'Total':<{width}}  {total:>3} / {possible}")


# -- the learner's exceptions ----------------------------------------------


def _quoted(error: Exception) -> str:
    text = " ".join(str(error).split())
    if not text:
        return "."
    if len(text) > _LONGEST_QUOTE:
        text = text[: _LONGEST_QUOTE - 1] + "…"
    return f": {text}"


def _tensor_names(name: str, value: Any) -> list[str]:
    """Name each floating-point tensor in an input: `layers[0]['wide']`."""
    if isinstance(value, Mapping):
        parts = list(value.items())
    elif isinstance(value, (tuple, list)):
        parts = list(enumerate(value))
    else:
        return [name] * len(list(floating_tensors(value)))
    return [
        tensor
        for key, part in parts
        for tensor in _tensor_names(f"{name}[{key!r}]", part)
    ]


def _is_in_place(error: Exception | None) -> bool:
    """Say whether autograd met a tensor that was changed in place."""
    return "modified by an inplace operation" in str(error)


def _alike(one: Exception | None, other: Exception | None) -> bool:
    """Say whether two errors say the same, whatever the sizes in them."""
    if isinstance(one, WrongAnswer):
        return True
    return re.sub(r"\d+", "", str(one)) == re.sub(r"\d+", "", str(other))


def _place(error: Exception) -> str:
    """Return the last line of the learner's own code in a traceback."""
    elsewhere = getattr(error, "place_in_answer", None)
    if isinstance(elsewhere, str):  # it was raised in another process
        return elsewhere
    library = (
        *(sysconfig.get_paths()[name] for name in ("stdlib", "purelib")),
        str(Path(__file__).parents[1]),
    )
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith(library):
            continue
        code = f": `{frame.line}`" if frame.line else ""
        return f"line {frame.lineno} of `{frame.name}`{code}"
    return ""


def _points(count: int) -> str:
    return "1 point" if count == 1 else f"{count} points"


def _name_of(answer: Callable) -> str:
    return getattr(answer, "__name__", type(answer).__name__)


# -- for the tests of exercises --------------------------------------------


def assert_sound(exercise: Exercise) -> None:
    """Assert that an exercise keeps its promises.

    The reference and each other right answer are accepted; each known
    mistake is rejected and named, by its own name, and so is other code
    that makes it, if it is rejected; every message has at most eight lines.
    """
    for right in (exercise.reference, *exercise.right_answers):
        diagnosis = exercise.diagnose(right)
        assert diagnosis is None, (
            f"{exercise.grade_id} rejects the right answer "
            f"{_name_of(right)}:\n{diagnosis.message}"
        )
    for mistake in exercise.mistakes:
        diagnosis = exercise.diagnose(mistake.answer)
        assert diagnosis is not None, (
            f"{exercise.grade_id} accepts the mistake “{mistake.name}”"
        )
        assert diagnosis.mistake == mistake.name, (
            f"{exercise.grade_id} takes the mistake “{mistake.name}” for "
            f"{diagnosis.mistake!r}:\n{diagnosis.message}"
        )
        for part in (mistake.name, mistake.sentence, mistake.look):
            assert part in diagnosis.message, (
                f"{exercise.grade_id}, “{mistake.name}”: the message "
                f"leaves out {part!r}:\n{diagnosis.message}"
            )
        assert len(diagnosis.message.splitlines()) <= _LONGEST_MESSAGE
        for made in mistake.also:
            diagnosis = exercise.diagnose(made)
            assert diagnosis is None or diagnosis.mistake == mistake.name, (
                f"{exercise.grade_id} takes other code of the mistake "
                f"“{mistake.name}” for {diagnosis.mistake!r}"
            )
