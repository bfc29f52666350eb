"""A repair exercise knows every choice of bugs that may be left."""

from attnbook.judging.unrepaired import unrepaired

PLANTED = {
    key: (f"{key} is wrong", f"This is {key}.", f"At {key}.") for key in "abc"
}


def draft(x, bugs=()):
    return x, bugs


def test_every_choice_is_there_the_fewest_first():
    mistakes = unrepaired(PLANTED, draft)
    left = [mistake.answer(1)[1] for mistake in mistakes]
    assert ["".join(bugs) for bugs in left] == [
        *("a", "b", "c"),
        *("ab", "ac", "bc"),
        "abc",
    ]


def test_bugs_that_undo_each_other_are_never_left_together():
    mistakes = unrepaired(PLANTED, draft, never_together=("a", "c"))
    left = ["".join(mistake.answer(1)[1]) for mistake in mistakes]
    assert left == ["a", "b", "c", "ab", "bc"]


def test_the_bug_that_shows_first_is_told_of_several():
    one, *_, two = unrepaired(PLANTED, draft, ("a", "b"), told_first="cba")
    assert one.sentence == "This is a."
    assert two.sentence == "What you see comes from bug 3: This is c."
    assert two.look == "At c."
