"""What an exercise is, and how an answer to it is judged.

An :class:`Exercise` holds a reference, the cases to try, and the known
mistakes *as code*. ``exercise.check(answer)`` runs the answer on every case,
``exercise.check(answer, "empty")`` on those of one part.
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
import sys
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from attnbook.judging import messages, scoreboard
from attnbook.judging.comparison import differences, nudged
from attnbook.judging.fitting import name_of, refuse_unfit
from attnbook.judging.front_ends import somebody_watches
from attnbook.judging.matching import Match, bugs_left, known_mistake
from attnbook.judging.messages import Diagnosis
from attnbook.judging.outcomes import Outcome, Outputs
from attnbook.judging.parts import Case, Mistake, Part, Property, WrongAnswer
from attnbook.judging.running import Runner, quiet
from attnbook.judging.scoreboard import points_so_far
from attnbook.judging.troubles import (
    Judge,
    Trouble,
    is_of_a_stub,
    property_trouble,
    unfit,
)

__all__ = [
    "Case",
    "Diagnosis",
    "Exercise",
    "Mistake",
    "Part",
    "Property",
    "WrongAnswer",
    "points_so_far",
]

_STEADY = 10  # times the tolerance, for numbers a millionth away


class Exercise:
    """One exercise: what is asked, what is right, what often goes wrong.

    Parameters
    ----------
    grade_id
        The grade_id of the notebook's graded cell, ``00-top-k-lookup``; of
        several cells what their grade_ids begin with.
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
    parts
        :class:`Part` objects where the points are given in parts. Each
        case and property belongs to one of them at least.
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
        parts: Iterable[Part] = (),
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
        self.parts = tuple(parts) or (_whole(self),)
        refuse_unfit(self)
        # It knows what code of ours does, so that this is run once.
        self.runner = Runner(reference, run, self.forbidden, gradients)
        self._outputs = Outputs(self.outputs, self.axes, tolerance)
        self._drawn: dict[tuple[int, str], tuple[Case, ...]] = {}
        self.marks: dict[str, int | None] = dict.fromkeys(self.graded)
        scoreboard.enter(self)

    @property
    def graded(self) -> dict[str, Part]:
        """The parts, by the grade_ids of their cells."""
        return {
            f"{self.grade_id}-{part.name}"
            if part.name
            else self.grade_id: part
            for part in self.parts
        }

    @property
    def earned(self) -> int | None:
        """The points that were earned, None before any part was checked."""
        marks = [mark for mark in self.marks.values() if mark is not None]
        return sum(marks) if marks else None

    @property
    def trials(self) -> tuple[Case | Property, ...]:
        """All that an answer is tried on, in order."""
        return (*self.cases, *self.properties)

    def inputs(self, case: str) -> dict[str, Any]:
        """Return the inputs of a case by their names, as a copy.

        Raises
        ------
        ValueError
            When there is no such case.
        """
        for known in self.cases:
            if known.name == case:
                values = [*known.arguments, *known.keywords.values()]
                names = self.runner.argument_names(known)
                return copy.deepcopy(dict(zip(names, values, strict=True)))
        raise ValueError(
            f"{self.grade_id} has no case {case!r}. It has "
            f"{[known.name for known in self.cases]}."
        )

    # -- checking ----------------------------------------------------------

    def check(self, answer: Callable, part: str = "") -> None:
        """Judge an answer, record its points and print a line for each part.

        Where somebody watches, in Jupyter or VS Code, the message is printed
        too, so that the cells below run as well.

        Parameters
        ----------
        answer
            What the learner wrote.
        part
            The name of a part; all of them by default.

        Raises
        ------
        WrongAnswer
            When the answer is not right, and a program runs the notebook;
            its text is the message.
        """
        first = None
        for grade_id, one in self._chosen(part).items():
            self.marks[grade_id] = 0
            # A graded cell that writes to stderr gets no points in
            # nbgrader, so the learner's own warnings go to stdout.
            with contextlib.redirect_stderr(sys.stdout):
                try:
                    diagnosis = self.diagnose(answer, one.name)
                except WrongAnswer as error:
                    raise error.with_traceback(None) from None
            if diagnosis is None:
                self.marks[grade_id] = one.points
                possible = messages.points(one.points)
                label = messages.label(self.title, self.parts, one)
                print(f"✓ {label}: {one.points} of {possible}")
            elif first is None:
                first = diagnosis
        if first is None:
            return
        if somebody_watches():
            print(first.message)
            return
        error = WrongAnswer(first.message)
        error.mistake = first.mistake or ""
        raise error

    def _chosen(self, name: str) -> dict[str, Part]:
        chosen = {
            grade_id: part
            for grade_id, part in self.graded.items()
            if name in ("", part.name)
        }
        if not chosen:
            raise ValueError(
                f"{self.grade_id} has no part {name!r}. It has "
                f"{[part.name for part in self.parts]}."
            )
        return chosen

    def diagnose(
        self, answer: Callable, part: str | None = None
    ) -> Diagnosis | None:
        """Say what is wrong with an answer, None if nothing is.

        Records and prints nothing.

        Parameters
        ----------
        answer
            What the learner wrote.
        part
            The name of a part; by default all that the exercise asks.
        """
        if part is None:
            everything = _whole(self)
            return self._diagnose(answer, everything, self.title)
        (one,) = self._chosen(part).values()
        label = messages.label(self.title, self.parts, one)
        return self._diagnose(answer, one, label)

    def _diagnose(
        self, answer: Callable, part: Part, label: str
    ) -> Diagnosis | None:
        trouble = unfit(
            answer, isinstance(self.reference, type), "loop" in self.forbidden
        )
        if trouble is not None:
            return messages.plain(label, trouble)
        gradients = self._counts_gradients(part)
        # These first: whoever remembers calls would know from the cases of
        # the notebook, whose order is known, what to say to these. And all
        # of them, so that nobody learns by counting which went well.
        drawn: dict[int, Outcome] = {}
        for place, case in enumerate(self.fresh_cases(part)):
            drawn[place] = self.runner.attempt(
                answer, case, watched=True, gradients=gradients
            )
            if is_of_a_stub(drawn[place].error):
                break  # the cases of the notebook say so too
        renewed = [
            self.runner.observe(answer, property_, watched=True)
            for property_ in self._drawn_properties(part)
        ]
        outcomes: dict[int, Outcome] = {}  # by place among the trials
        for place, trial in enumerate(self.trials):
            if not part.mended and name_of(trial) not in part.tries:
                continue
            outcome = self.runner.attempt(
                answer, trial, watched=True, gradients=gradients
            )
            outcomes[place] = outcome
            trouble = self._trouble(answer, outcome, trial, part, gradients)
            if trouble is None:
                continue
            if gradients != self.gradients:
                outcomes = {}
            return self._named(
                answer, outcomes, place, trouble, part, label, drawn
            )
        if not all(one.error is None and one.output for one in renewed):
            return messages.of_fresh_case(label, "measure", None)
        return self._diagnose_drawn(answer, part, label, self.reference, drawn)

    def _drawn_properties(self, part: Part) -> list[Property]:
        """Return a part's properties with the numbers of the secret seed."""
        seed = self.secret_seed
        return [
            replace(one, holds=one.anew(seed))
            for one in self.properties
            if one.anew and seed is not None and one.sentence in part.tries
        ]

    def _trouble(
        self,
        answer: Callable,
        outcome: Outcome,
        trial: Case | Property,
        part: Part,
        gradients: bool,
    ) -> Trouble | None:
        if isinstance(trial, Property):
            if outcome.error is None and outcome.output:
                return None
            return property_trouble(outcome, trial)
        expected = self.runner.expected(self.reference, trial)
        judge = Judge(
            self._counted(part), self.runner, self.grade_id, self.reveal
        )
        return judge.trouble(expected, outcome, trial, gradients, answer)

    def _counts_gradients(self, part: Part) -> bool:
        return part.gradients or (self.gradients and part.mended > 0)

    def _counted(self, part: Part) -> Outputs:
        """The outputs, and which of them count in a part."""
        return replace(self._outputs, counted=part.outputs)

    def _named(
        self,
        answer: Callable,
        outcomes: dict[int, Outcome],
        place: int,
        trouble: Trouble,
        part: Part,
        label: str,
        drawn: dict[int, Outcome],
    ) -> Diagnosis | None:
        """Say what is wrong, with the known mistake that it is, if any.

        None where enough bugs are mended.
        """
        if trouble.kind in ("stub", "forbidden"):
            return messages.plain(label, trouble)
        trials, line = self.trials, ""
        if part.mended:
            left = self._once(
                answer,
                "bugs left",
                lambda: bugs_left(
                    self.mistakes,
                    answer,
                    outcomes,
                    trials,
                    self.runner,
                    self._outputs,
                ),
            )
            # One bug may undo another, so that none has them all.
            planted = max(one.mended for one in self.parts)
            if left is not None and planted - left.bugs >= part.mended:
                return self._diagnose_drawn(
                    answer, part, label, left.answer, drawn
                )
            line = messages.mended(part.mended, planted, left)
        match = self._match(answer, outcomes, place, trials, part)
        tally = self._tally(answer, part)
        return messages.of_trial(
            label,
            trouble,
            match,
            trials[place],
            [*tally, *filter(None, [line])],
        )

    def _match(
        self,
        answer: Callable,
        outcomes: dict[int, Outcome],
        place: int,
        trials: Sequence[Case | Property],
        part: Part,
    ) -> Match:
        return self._once(
            answer,
            ("match", part.outputs, id(trials[place])),
            lambda: known_mistake(
                self.mistakes,
                self.reference,
                answer,
                outcomes,
                place,
                trials,
                self.runner,
                self._counted(part),
                one_by_one=not self.reveal,
            ),
        )

    def _once(
        self, answer: Callable, what: Hashable, find: Callable[[], Any]
    ) -> Any:
        """Find something out, once for an answer where that is kept."""
        known = self.runner.remembered(answer)
        if known is None:
            return find()
        if what not in known:
            known[what] = find()
        return known[what]

    def _tally(self, answer: Callable, part: Part) -> list[str]:
        """Say which questions of a part are right, and which are not."""
        if self.reveal:
            return []
        marks: dict[bool, list[str]] = {True: [], False: []}
        raised = True
        for case in self.cases:
            if case.name not in part.tries:
                continue
            with quiet():
                outcome = self.runner.evaluate(answer, case, watched=True)
            raised = raised and outcome.error is not None
            trouble = self._trouble(answer, outcome, case, part, False)
            marks[trouble is None].append(str(case.arguments[0]))
        # What raises everywhere says nothing about the numbers.
        return [] if raised else [messages.tally(marks)]

    def missed(self, answer: Callable) -> list[str]:
        """Return the cases, by name, and properties that an answer misses."""
        found, everything = [], _whole(self)
        for trial in self.trials:
            outcome = self.runner.attempt(answer, trial, watched=True)
            if self._trouble(
                answer, outcome, trial, everything, self.gradients
            ):
                found.append(name_of(trial))
        return found

    # -- cases drawn anew --------------------------------------------------

    def _diagnose_drawn(
        self,
        answer: Callable,
        part: Part,
        label: str,
        wanted: Callable,
        outcomes: dict[int, Outcome],
    ) -> Diagnosis | None:
        """Judge what was done in the cases that a grader has drawn anew.

        ``wanted`` does what the answer is to do there: the reference, or
        the draft with the bugs that may be left.
        """
        gradients = self._counts_gradients(part)
        cases = self.fresh_cases(part)
        for place, case in enumerate(cases):
            if wanted is not self.reference:
                known = self.runner.known(wanted, case)
                if not self._outputs.same(known, outcomes[place]):
                    return messages.of_fresh_case(label, "value", None)
                continue
            trouble = self._trouble(
                answer, outcomes[place], case, part, gradients
            )
            if trouble is not None:
                if self._earns_the_part(outcomes, cases, part, gradients):
                    return None
                if gradients != self.gradients:
                    outcomes = {}
                match = self._match(answer, outcomes, place, cases, part)
                return messages.of_fresh_case(
                    label, trouble.kind, match.mistake
                )
        return None

    def _earns_the_part(
        self,
        outcomes: Mapping[int, Outcome],
        cases: Sequence[Case],
        part: Part,
        gradients: bool,
    ) -> bool:
        """Say whether a known mistake does just that, and earns the part.

        Cases drawn anew are to tell who computes from who remembers, and
        ask no more of a part than those of the notebook. The mistake has to
        show in another part: one that only shows in them is a mistake. What
        raises computes nothing, and any code may raise the same.
        """
        if any(outcome.error is not None for outcome in outcomes.values()):
            return False

        def done(made: Callable, trial: Case | Property) -> Outcome:
            outcome = self.runner.known(made, trial)
            return outcome if gradients else outcome.without_gradients()

        with quiet():
            return any(
                all(
                    self._outputs.same(done(made, case), outcomes[place])
                    for place, case in enumerate(cases)
                )
                and all(
                    self._trouble(made, done(made, one), one, part, gradients)
                    is None
                    for one in self.trials
                    if name_of(one) in part.tries
                )
                and self.missed(made)
                for mistake in self.mistakes
                for made in (mistake.answer, *mistake.also)
            )

    def fresh_cases(self, part: Part | None = None) -> tuple[Case, ...]:
        """Return the cases of the secret seed, none where there is none.

        Those of a part, or of all. A case on which rounding alone could turn
        a right answer into a wrong one, a tie that is nearly one, is left
        out.
        """
        parts = self.parts if part is None or not part.name else (part,)
        found = {id(c): c for one in parts for c in self._fresh_of(one)}
        return tuple(found.values())

    def _fresh_of(self, part: Part) -> tuple[Case, ...]:
        seed, draw = self.secret_seed, part.fresh or self.fresh
        if seed is None or draw is None:
            return ()
        key = seed, part.name if part.fresh else ""
        if key not in self._drawn:
            self._drawn[key] = tuple(filter(self._is_steady, draw(seed)))
        return self._drawn[key]

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

    def _quietly(self, answer: Callable, case: Case) -> Outcome:
        with quiet():
            return self.runner.evaluate(answer, case)


def _whole(exercise: Exercise) -> Part:
    """All that an exercise asks, as one part."""
    return Part(
        "",
        "",
        exercise.points,
        tuple(map(name_of, exercise.trials)),
        exercise.gradients,
        fresh=exercise.fresh,
    )
