"""Checks of the exercises: a folder a chapter, a module an exercise.

A module holds the exercise's cases, its reference, the known mistakes as code
and right answers written otherwise; ``scaled_dot_product/packed_attention.py``
is exercise 03.2. The folder's own module lists them and exports the functions
that a notebook calls. What an exercise is and how an answer is judged stands
in :mod:`attnbook.judging`, beside what several chapters make alike.
"""

from attnbook.judging.exercise import WrongAnswer

__all__ = ["WrongAnswer"]
