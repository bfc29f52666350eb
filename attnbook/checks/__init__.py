"""Checks of the exercises: one module a chapter, over one framework.

`attnbook.judging.exercise` says what an exercise is and how an answer is
judged; `attnbook.checks.soft_lookup` and its like hold the cases, the
references and the known mistakes of one chapter.
"""

from attnbook.judging.exercise import WrongAnswer

__all__ = ["WrongAnswer"]
