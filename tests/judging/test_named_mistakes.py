"""A table of mistakes becomes mistakes with their code."""

from attnbook.judging.named_mistakes import named, planted


def test_each_row_has_the_code_of_its_key_and_of_the_others_alike():
    def answer(x, mistake):
        return x, mistake

    one, two = named(
        answer,
        [("a", "A", "This is A.", "There."), ("b", "B", "B.", "Here.", "c")],
    )
    assert (one.name, one.sentence, one.look) == ("A", "This is A.", "There.")
    assert one.answer(1) == (1, "a")
    assert one.also == ()
    assert [other(2) for other in two.also] == [(2, "c")]


def test_a_draft_has_one_bug_at_a_time():
    def draft(x, bugs=()):
        return x, bugs

    rows = [("a", "A", "A.", "There."), ("b", "B", "B.", "Here.", "c")]
    one, two = planted(draft, rows)
    assert one.answer(1) == (1, ("a",))
    assert two.answer(1) == (1, ("b",))
    assert [other(1) for other in two.also] == [(1, ("c",))]
