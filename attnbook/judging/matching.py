"""Which of the known mistakes an answer makes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence

from attnbook.judging.outcomes import Outcome, Outputs
from attnbook.judging.parts import Case, Mistake, Property, WrongAnswer
from attnbook.judging.running import Runner, quiet


def matching_mistake(
    mistakes: Sequence[Mistake],
    reference: Callable,
    answer: Callable,
    outcomes: Sequence[Outcome],
    trials: Sequence[Case | Property],
    runner: Runner,
    outputs: Outputs,
) -> Mistake | None:
    """Find the mistake that does what the answer does where it fails.

    Among those, the one that agrees with it on most of the cases and
    properties; the first listed where they are level. Where none agrees on
    all, one that is known by what it shows comes first. Any slip may raise
    a RuntimeError: where the answer raised, a mistake must raise with the
    same words, or agree on all.

    Parameters
    ----------
    outcomes
        What the answer did in the first trials; it fails in the last of
        these.
    trials
        All cases and properties that mistakes and answer are tried on.
    """
    failed = len(outcomes) - 1
    with quiet():
        theirs = list(outcomes)
        expected = runner.known(reference, trials[failed])
        best, most = None, 0
        known = [
            (mistake, made)
            for mistake in mistakes
            for made in (mistake.answer, *mistake.also)
        ]
        for mistake, made in known:
            at_fault = runner.known(made, trials[failed])
            if not outputs.same(at_fault, outcomes[failed]):
                continue
            if outputs.same(at_fault, expected):
                continue
            if len(theirs) < len(trials):
                with contextlib.redirect_stdout(None):
                    theirs += [
                        runner.attempt(answer, trial, watched=True)
                        for trial in trials[len(theirs) :]
                    ]
            level = sum(
                outputs.same(runner.known(made, trial), outcome)
                for trial, outcome in zip(trials, theirs, strict=True)
            )
            if level < len(trials) and not _alike(
                at_fault.error, outcomes[failed].error
            ):
                continue
            if level > most:
                best, most = mistake, level
    where = trials[failed]
    if most < len(trials) and isinstance(where, Case):
        return _shown_mistake(mistakes, where, outcomes[failed]) or best
    return best


def _shown_mistake(
    mistakes: Sequence[Mistake], case: Case, outcome: Outcome
) -> Mistake | None:
    if outcome.error is not None:
        return None
    for mistake in mistakes:
        # An output of an unforeseen kind shows nothing.
        with contextlib.suppress(AttributeError, TypeError, ValueError):
            if mistake.shows and mistake.shows(case, outcome.output):
                return mistake
    return None


def _alike(one: Exception | None, other: Exception | None) -> bool:
    """Say whether two errors say the same, whatever the sizes in them."""
    if isinstance(one, WrongAnswer):
        return True
    return re.sub(r"\d+", "", str(one)) == re.sub(r"\d+", "", str(other))
