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
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from attnbook.judging import messages, scoreboard
from attnbook.judging.comparison import differences, nudged
from attnbook.judging.matching import matching_mistake
from attnbook.judging.messages import Diagnosis
from attnbook.judging.outcomes import Outcome, Outputs
from attnbook.judging.parts import Case, Mistake, Property, WrongAnswer
from attnbook.judging.running import Runner, quiet
from attnbook.judging.scoreboard import points_so_far
from attnbook.judging.troubles import Judge, Trouble, property_trouble, unfit

__all__ = [
    "Case",
    "Diagnosis",
    "Exercise",
    "Mistake",
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
        # It knows what code of ours does, so that this is run once.
        self.runner = Runner(reference, run, self.forbidden, gradients)
        self._outputs = Outputs(self.outputs, self.axes, tolerance)
        self._judge = Judge(
            self._outputs, self.runner, grade_id, reveal, gradients
        )
        self._drawn: dict[int, tuple[Case, ...]] = {}  # by seed
        self.earned: int | None = None
        scoreboard.enter(self)

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
        possible = messages.points(self.points)
        print(f"✓ {self.title}: {self.points} of {possible}")

    def diagnose(self, answer: Callable) -> Diagnosis | None:
        """Say what is wrong with an answer, None if nothing is.

        Records and prints nothing.
        """
        trouble = unfit(
            answer, isinstance(self.reference, type), "loop" in self.forbidden
        )
        if trouble is not None:
            return messages.plain(self.title, trouble)
        # These first: whoever remembers calls would know from the cases of
        # the notebook, whose order is known, what to say to these.
        drawn = self._trouble_drawn(answer)
        outcomes: list[Outcome] = []
        for case in self.cases:
            trouble = self._trouble(answer, case, outcomes)
            if trouble is not None:
                tally = self._tally(answer, outcomes)
                return self._named(answer, outcomes, case, trouble, tally)
        for property_ in self.properties:
            outcome = self.runner.observe(answer, property_, watched=True)
            outcomes.append(outcome)
            if outcome.error is not None or not outcome.output:
                trouble = property_trouble(outcome, property_)
                return self._named(answer, outcomes, property_, trouble)
        if drawn is None:
            return None
        trouble, outcomes = drawn
        mistake = self._mistake(answer, outcomes, self.fresh_cases())
        return messages.of_fresh_case(self.title, trouble.kind, mistake)

    def _trouble_drawn(
        self, answer: Callable
    ) -> tuple[Trouble, list[Outcome]] | None:
        """Try the cases that a grader has drawn anew, if it has.

        All of them, so that nobody learns by counting which went well.
        """
        outcomes: list[Outcome] = []
        troubles = [
            self._trouble(answer, case, outcomes)
            for case in self.fresh_cases()
        ]
        first = next(filter(None, troubles), None)
        return first and (first, outcomes)

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

    def _trouble(
        self, answer: Callable, case: Case, outcomes: list[Outcome]
    ) -> Trouble | None:
        """Run an answer on a case, add what came of it, and judge it."""
        expected = self.runner.expected(self.reference, case)
        outcome = self.runner.evaluate(answer, case, watched=True)
        outcomes.append(outcome)
        return self._judge.trouble(expected, outcome, case)

    def _tally(self, answer: Callable, outcomes: list[Outcome]) -> list[str]:
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
            expected = self.runner.expected(self.reference, case)
            right = self._judge.trouble(expected, outcome, case) is None
            marks[right].append(str(case.arguments[0]))
        return [messages.tally(marks)]

    def _named(
        self,
        answer: Callable,
        outcomes: list[Outcome],
        where: Case | Property,
        trouble: Trouble,
        tally: Sequence[str] = (),
    ) -> Diagnosis:
        """Say what is wrong, with the known mistake that it is, if any."""
        if trouble.kind in ("stub", "forbidden"):
            return messages.plain(self.title, trouble)
        trials = [*self.cases, *self.properties]
        mistake = self._mistake(answer, outcomes, trials)
        return messages.of_trial(self.title, trouble, mistake, where, tally)

    def _mistake(
        self,
        answer: Callable,
        outcomes: list[Outcome],
        trials: Sequence[Case | Property],
    ) -> Mistake | None:
        return matching_mistake(
            self.mistakes,
            self.reference,
            answer,
            outcomes,
            trials,
            self.runner,
            self._outputs,
        )
