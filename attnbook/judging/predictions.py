"""Questions that are answered by a number, and the numbers often given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from attnbook.judging.parts import Case, Mistake


class Predictions:
    """The right answers of an exercise that asks for numbers, by question.

    Parameters
    ----------
    answers
        Letters or words, with the right number of each.
    """

    def __init__(self, answers: Mapping[str, float]) -> None:
        self.answers = dict(answers)

    def exactly(self, question: str) -> float:
        """The right answer."""
        return self.answers[question]

    def rounded(self, question: str) -> float:
        """Right, with two digits after the point."""
        return round(self.answers[question], 2)

    def cases(self, hints: Sequence[int]) -> list[Case]:
        """One case a question, each with the hint that lists its steps."""
        return [
            Case(
                f"question {question}",
                (question,),
                look=f"Hint {hint} lists the steps: write down each.",
            )
            for question, hint in zip(self.answers, hints, strict=True)
        ]

    def wrong(
        self,
        question: str,
        wrong: float,
        name: str,
        sentence: str,
        look: str,
        digits: Sequence[int] = (),
    ) -> Mistake:
        """The mistake of who answers all but one question rightly.

        The wrong number is known as it is, and rounded to so many digits
        after the point.
        """
        exact, *rounded = (
            partial(_answer_from, {**self.answers, question: number})
            for number in (wrong, *(round(wrong, n) for n in digits))
        )
        return Mistake(
            f"{question}: {name}", sentence, exact, look, also=tuple(rounded)
        )


def questions(letters: str) -> tuple[str, ...]:
    """Name the cases of these questions, as a part of an exercise tries."""
    return tuple(f"question {letter}" for letter in letters)


def _answer_from(answers: Mapping[str, float], question: str) -> float:
    return answers[question]
