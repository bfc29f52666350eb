"""The checks of a made-up chapter, without torch so that they load fast."""

from attnbook.judging import exercise
from attnbook.judging.exercise import Case, Exercise, Mistake


def _double(number):
    return 2 * number


def _exercise(grade_id, title, reference, mistake):
    return Exercise(
        grade_id,
        title,
        5,
        reference,
        [Case("three", (3,)), Case("zero", (0,))],
        [mistake],
    )


EXERCISES = {
    e.grade_id: e
    for e in (
        _exercise(
            "00-double",
            "Double",
            _double,
            Mistake(
                "squared instead of doubled",
                "You multiply the number by itself.",
                lambda number: number * number,
                "the definition of double.",
            ),
        ),
        _exercise(
            "00-negate",
            "Negate",
            lambda number: -number,
            Mistake(
                "kept the sign",
                "You return the number as it came.",
                lambda number: number,
                "the definition of negate.",
            ),
        ),
        _exercise(
            "00-halve",
            "Halve",
            lambda number: number / 2,
            Mistake(
                "rounded down",
                "You use `//`, which drops the half.",
                lambda number: number // 2,
                "division in Python.",
            ),
        ),
        _exercise(
            "00-third",
            "Third",
            lambda number: number / 3,
            Mistake(
                "rounded down",
                "You use `//`, which drops the rest.",
                lambda number: number // 3,
                "division in Python.",
            ),
        ),
    )
}


def check_double(answer):
    EXERCISES["00-double"].check(answer)


def check_negate(answer):
    EXERCISES["00-negate"].check(answer)


def check_halve(answer):
    EXERCISES["00-halve"].check(answer)


def check_third(answer):
    EXERCISES["00-third"].check(answer)


def points_so_far():
    exercise.points_so_far(EXERCISES)
