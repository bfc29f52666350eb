"""Runs answers: on a case, on a property, once more for the gradients."""

from __future__ import annotations

import contextlib
import inspect
import sys
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from attnbook.judging.comparison import (
    as_array,
    copied,
    differences,
    floating_tensors,
    is_data,
    kept,
    with_gradients,
)
from attnbook.judging.conditions import trial
from attnbook.judging.outcomes import Outcome
from attnbook.judging.parts import Case, Property
from attnbook.judging.sessions import session_of


class Runner:
    """Runs answers as one exercise wants them run.

    Parameters
    ----------
    reference
        The right answer: its signature names the inputs.
    run, forbidden, gradients
        As :class:`attnbook.judging.exercise.Exercise` takes them.
    """

    def __init__(
        self,
        reference: Callable,
        run: Callable | None = None,
        forbidden: Sequence[str] = (),
        gradients: bool = False,
    ) -> None:
        self._reference = reference
        self._run = run
        self._forbidden = forbidden
        self._wants_gradients = gradients
        self._known: dict[tuple[int, int], Outcome] = {}
        # The latest answer of a class, and what it did.
        self._latest: tuple[weakref.ref, dict] | None = None

    # -- answers -----------------------------------------------------------

    def evaluate(
        self,
        answer: Callable,
        case: Case,
        watched: bool = False,
        gradients: bool = True,
    ) -> Outcome:
        """Run an answer on a case: the one place that calls it.

        ``watched`` says whether it has to do without what is forbidden,
        ``gradients`` whether the way back is run where the exercise asks
        for it.
        """
        arguments, keywords = copied((case.arguments, case.keywords))
        outcome = Outcome()
        try:
            with trial(answer, self._forbidden if watched else ()):
                outcome.output = self._call(answer, arguments, keywords)
            outcome.output = kept(outcome.output)
        except Exception as error:
            outcome.error = error
            return outcome
        outcome.changed = self._changed(case, arguments, keywords)
        if gradients and self._wants_gradients:
            return self._there_and_back(answer, case, watched, outcome)
        return outcome

    def _there_and_back(
        self, answer: Callable, case: Case, watched: bool, there: Outcome
    ) -> Outcome:
        """Add the gradients to what came of the call alone."""
        if there.error is not None or there.changed:
            return there
        outcome = replace(there)
        try:
            with trial(answer, self._forbidden if watched else ()):
                outcome.gradients = self._gradients(answer, case)
        except Exception as error:
            outcome.error, outcome.stage = error, "gradients"
        return outcome

    def observe(
        self, answer: Callable, property_: Property, watched: bool = False
    ) -> Outcome:
        """See whether a property holds; the output is True or False."""
        forbidden = self._forbidden if watched else ()
        try:
            with trial(answer, forbidden):
                return Outcome(output=bool(property_.holds(answer)))
        except Exception as error:
            return Outcome(error=error)

    def attempt(
        self,
        answer: Callable,
        trial: Case | Property,
        watched: bool = False,
        gradients: bool = True,
    ) -> Outcome:
        """Try an answer on whatever there is to try.

        Where a class is graded, what an answer did in one graded cell is
        remembered for the next ones.
        """
        done = self.remembered(answer)
        if done is None or not watched:
            return self._tried(answer, trial, watched, gradients)
        # Whether a property holds is no question of gradients.
        is_case = isinstance(trial, Case)
        gradients = gradients and self._wants_gradients and is_case
        whole = done.get((id(trial), True))
        if whole is not None and not gradients:
            return whole.without_gradients()
        if (id(trial), gradients) not in done:
            there = done.get((id(trial), False))
            done[id(trial), gradients] = (
                self._tried(answer, trial, watched, gradients)
                if there is None
                else self._there_and_back(answer, trial, watched, there)
            )
        return done[id(trial), gradients]

    def remembered(self, answer: Callable) -> dict | None:
        """Return what is known of an answer, None where nothing is kept.

        A learner may change what a function of theirs calls; in a class it
        stays as it is from one graded cell to the next.
        """
        if session_of(answer) is None:
            return None
        if self._latest is None or self._latest[0]() is not answer:
            self._latest = weakref.ref(answer), {}
        return self._latest[1]

    def _tried(
        self,
        answer: Callable,
        trial: Case | Property,
        watched: bool,
        gradients: bool,
    ) -> Outcome:
        if isinstance(trial, Property):
            return self.observe(answer, trial, watched)
        return self.evaluate(answer, trial, watched, gradients)

    # -- code of ours --------------------------------------------------------

    def known(self, made: Callable, trial: Case | Property) -> Outcome:
        """Try code of ours; it does the same each time, so once will do."""
        key = id(made), id(trial)
        if key not in self._known:
            self._known[key] = self.attempt(made, trial)
        return self._known[key]

    def expected(self, reference: Callable, case: Case) -> Outcome:
        """Run the reference on a case without its warnings, once for all."""
        with quiet():
            known = self.known(reference, case)
        if known.error is not None:
            # It ran short of memory, say: that must not last for others.
            self._known.clear()
        return known

    # -- the call ------------------------------------------------------------

    def _call(self, answer: Callable, arguments, keywords) -> Any:
        if self._run is not None:
            return self._run(answer, *arguments, **keywords)
        return answer(*arguments, **keywords)

    def _gradients(self, answer: Callable, case: Case) -> list:
        torch = sys.modules["torch"]
        arguments, keywords = copied((case.arguments, case.keywords))
        leaves: list = []
        arguments = with_gradients(arguments, leaves)
        keywords = with_gradients(keywords, leaves)
        output = self._call(answer, arguments, keywords)
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
        names = self.argument_names(case)
        before = [*case.arguments, *case.keywords.values()]
        after = [*arguments, *(keywords[name] for name in case.keywords)]
        return tuple(
            name
            for name, old, new in zip(names, before, after, strict=True)
            if is_data(old) and differences(old, new, "", 0.0)
        )

    # -- names of the inputs -------------------------------------------------

    @cached_property
    def _parameters(self) -> list[inspect.Parameter]:
        function = self._run or self._reference
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):
            parameters = []
        return parameters if self._run is None else parameters[1:]

    def argument_names(self, case: Case) -> list[str]:
        """Name each input of a case, as the reference does."""
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

    def gradient_names(self, case: Case) -> list[str]:
        """Name each tensor of a case that gets a gradient."""
        names = []
        values = [*case.arguments, *case.keywords.values()]
        for name, value in zip(self.argument_names(case), values, strict=True):
            names += _tensor_names(name, value)
        return names


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Show no warnings: those of our own code are not the learner's.

    Nor are those of NumPy, which a notebook may have turned into errors.
    """
    with warnings.catch_warnings(action="ignore"), np.errstate(all="ignore"):
        yield


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
