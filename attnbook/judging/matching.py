"""Which of the known mistakes an answer makes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from attnbook.judging.outcomes import Outcome, Outputs
from attnbook.judging.parts import Case, Mistake, Property, WrongAnswer
from attnbook.judging.running import Runner, quiet


class Match(NamedTuple):
    """The mistakes that do what an answer does.

    ``is_sure`` says that they do so in every case. One mistake alone can be
    told to who made it; of several it is not known which it is.
    """

    mistakes: tuple[Mistake, ...] = ()
    is_sure: bool = False

    @property
    def mistake(self) -> Mistake | None:
        """The mistake, where there is one alone."""
        return self.mistakes[0] if len(self.mistakes) == 1 else None


class _Answer:
    """An answer, tried on each trial when it is asked for, and once."""

    def __init__(
        self,
        answer: Callable,
        outcomes: Mapping[int, Outcome],
        trials: Sequence[Case | Property],
        runner: Runner,
    ) -> None:
        self._answer = answer
        self._outcomes = dict(outcomes)
        self._trials = trials
        self._runner = runner

    def outcome(self, place: int) -> Outcome:
        """Return what the answer does in the trial at a place."""
        if place not in self._outcomes:
            with contextlib.redirect_stdout(None):
                self._outcomes[place] = self._runner.attempt(
                    self._answer, self._trials[place], watched=True
                )
        return self._outcomes[place]


def known_mistake(
    mistakes: Sequence[Mistake],
    reference: Callable,
    answer: Callable,
    outcomes: Mapping[int, Outcome],
    failed: int,
    trials: Sequence[Case | Property],
    runner: Runner,
    outputs: Outputs,
    one_by_one: bool = False,
) -> Match:
    """Find the mistakes that do what the answer does.

    Those that agree with it on all trials; where there is none, one that is
    known by what it shows; else those that agree with it where it fails, and
    on half or more of all the trials that it gets wrong. Any slip may
    raise a RuntimeError: where the answer raised, a mistake must raise with
    the same words, or agree on all; of those that do, who uses the same words
    comes first.

    Parameters
    ----------
    outcomes
        What the answer did in some of the trials, by place.
    failed
        The place of the trial in which it fails.
    trials
        All cases and properties that mistakes and answer are tried on.
    one_by_one
        Each case is a question of its own, so that what an answer does in
        the others says little.
    """
    theirs = _Answer(answer, outcomes, trials, runner)
    places = range(len(trials))
    found: dict[str, tuple[Mistake, tuple[int, bool]]] = {}
    with quiet():
        expected = [runner.known(reference, trial) for trial in trials]
        for mistake in mistakes:
            for made in (mistake.answer, *mistake.also):
                at_fault = runner.known(made, trials[failed])
                if not outputs.same(at_fault, theirs.outcome(failed)):
                    continue
                if outputs.same(at_fault, expected[failed]):
                    continue
                level = [
                    place
                    for place in places
                    if outputs.same(
                        runner.known(made, trials[place]),
                        theirs.outcome(place),
                    )
                ]
                is_sure = len(level) == len(trials)
                worded = _alike(at_fault.error, theirs.outcome(failed).error)
                if not is_sure and not worded:
                    continue
                if is_sure:
                    count = len(trials)
                else:
                    wrong = [
                        place
                        for place in places
                        if not outputs.same(
                            theirs.outcome(place), expected[place]
                        )
                    ]
                    shared = set(level) & set(wrong)
                    if not one_by_one and 2 * len(shared) < len(wrong):
                        continue
                    count = len(level)
                rank = count, worded
                _, before = found.get(mistake.name, (mistake, rank))
                found[mistake.name] = mistake, max(rank, before)
    most = max((rank for _, rank in found.values()), default=(0, True))
    best = tuple(mistake for mistake, rank in found.values() if rank == most)
    if best and most[0] == len(trials):
        return Match(best, is_sure=True)
    where = trials[failed]
    if isinstance(where, Case):
        shown = _shown_mistake(mistakes, where, theirs.outcome(failed))
        if shown is not None:
            return Match((shown,), is_sure=True)
    return Match(best, is_sure=one_by_one)


def bugs_left(
    mistakes: Sequence[Mistake],
    answer: Callable,
    outcomes: Mapping[int, Outcome],
    trials: Sequence[Case | Property],
    runner: Runner,
    outputs: Outputs,
) -> Mistake | None:
    """Find the draft that an answer is: its planted bugs that are left.

    None where the answer does not in every trial what a draft with some of
    the bugs does; of several the one with the most bugs. What raises in
    half of the trials or more shows no bugs: any other code may raise the
    same. In fewer it has to raise with the same words. Its ``answer`` is the
    code that does the same, this or other code of the mistake.
    """
    theirs = _Answer(answer, outcomes, trials, runner)
    drafts = sorted(
        (mistake for mistake in mistakes if mistake.bugs),
        key=lambda mistake: -mistake.bugs,
    )
    with quiet():
        raised = [
            _raises(theirs.outcome(place)) for place in range(len(trials))
        ]
        if 2 * sum(raised) >= len(trials):
            return None
        for mistake in drafts:
            for made in (mistake.answer, *mistake.also):
                if all(
                    _same_to_the_word(
                        runner.known(made, trial),
                        theirs.outcome(place),
                        outputs,
                    )
                    for place, trial in enumerate(trials)
                ):
                    return replace(mistake, answer=made)
    return None


def _raises(outcome: Outcome) -> bool:
    return not isinstance(outcome.error, (type(None), WrongAnswer))


def _same_to_the_word(one: Outcome, other: Outcome, outputs: Outputs) -> bool:
    if not outputs.same(one, other):
        return False
    return not _raises(other) or _alike(one.error, other.error)


def _shown_mistake(
    mistakes: Sequence[Mistake], case: Case, outcome: Outcome
) -> Mistake | None:
    if outcome.error is not None:
        return None
    for mistake in mistakes:
        # An output of an unforeseen kind shows nothing.
        with contextlib.suppress(
            AttributeError, LookupError, TypeError, ValueError
        ):
            if mistake.shows and mistake.shows(case, outcome.output):
                return mistake
    return None


def _alike(one: Exception | None, other: Exception | None) -> bool:
    """Say whether two errors say the same, whatever the sizes in them."""
    if isinstance(one, WrongAnswer):
        return True
    return re.sub(r"\d+", "", str(one)) == re.sub(r"\d+", "", str(other))
