"""Documents say what is asked, once or not at all, about unseen names."""

import numpy as np
import pytest

from attnbook.data import documents as d


@pytest.mark.parametrize("held", [False, True])
def test_a_question_is_answered_by_its_document_alone(held):
    rng = np.random.default_rng(0)
    made = d.reading(40, 5, 6, rng, held=held)
    place = made.answers.long().argmax(-1)
    for row in range(40):
        for q in range(6):
            right = made.answers[row, q]
            owners = made.owner[row][right].unique().tolist()
            if made.known[row, q]:
                assert owners == [made.asked[row, q].item()]
                answers = {d.WORDS[n] for n in made.documents[row][right]}
                assert len(answers) == 1
            else:
                assert place[row, q] == 0 and right.sum() == 1


def test_the_answer_fits_the_question_and_the_sentence_names_the_thing():
    rng = np.random.default_rng(1)
    made = d.reading(200, 3, 4, rng, known=1.0, forms=0.0)
    values = {
        value: relation
        for relation, found in d.RELATIONS.items()
        for value in found.values
    }
    asked_words = {
        name: {
            frozenset(set(text.split()) - {"{e}"})
            for text in relation.questions
        }
        for name, relation in d.RELATIONS.items()
    }
    for row in range(200):
        for q in range(4):
            at = made.answers[row, q].nonzero()[0, 0]
            answer = d.WORDS[made.documents[row, at]]
            text = set(d.words(made.questions[row, q]).split())
            relation = values[answer]
            assert any(words <= text for words in asked_words[relation])
            sentence = d.words(
                made.documents[row, max(0, at - 9) : at + 9]
            ).split()
            names = [
                w for w in text if w.endswith("-") or w.startswith("-")
            ] or [w for w in text if w in d.NICKNAMES]
            assert names and set(names) <= set(sentence)


def test_held_out_names_are_no_training_names():
    pairs = []
    for held in (False, True):
        what = d.content(500, 4, np.random.default_rng(2), held)
        pairs.append(
            set(map(tuple, what.name[..., :2].reshape(-1, 2).tolist()))
        )
    assert not pairs[0] & pairs[1]
    for piece in (0, 1):  # but each piece is known
        assert {p[piece] for p in pairs[1]} <= {p[piece] for p in pairs[0]}


def test_no_two_documents_of_a_row_are_about_the_same():
    what = d.content(300, 20, np.random.default_rng(3), alike=0.9)
    for row in what.name:
        assert len(set(map(tuple, row[:, :2].tolist()))) == 20
        assert len(set(row[:, 2].tolist())) == 20


@pytest.mark.parametrize("form", d.FORMS)
def test_a_form_changes_its_documents_alone(form):
    what = d.content(1, 2, np.random.default_rng(4))
    forms = {form: np.array([[True, False]])}
    texts = []
    for some in ({}, forms):
        tokens, owner, _, _ = d.write(what, np.random.default_rng(5), some)
        texts.append([d.words(tokens[0][owner[0] == n]) for n in range(2)])
    assert texts[0][1] == texts[1][1] or form in ("length",)
    assert len(texts[1][0].split()) > len(texts[0][0].split())


def test_a_false_form_or_number_is_refused():
    rng = np.random.default_rng(0)
    what = d.content(1, 2, rng)
    with pytest.raises(ValueError, match="unknown form 'colour'"):
        d.write(what, rng, {"colour": np.ones((1, 2), bool)})
    with pytest.raises(ValueError, match="documents is 21"):
        d.content(1, 21, rng)


def test_twins_say_other_values_of_the_same_and_both_are_right():
    rng = np.random.default_rng(6)
    made = d.reading(200, 2, 2, rng, twins=1.0, known=1.0)
    for row in range(200):
        for q in range(2):
            right = made.answers[row, q]
            assert set(made.owner[row][right].tolist()) == {0, 1}
            values = made.documents[row][right]
            assert len(set(values.tolist())) == 2


def test_the_planted_rule_takes_the_definition():
    rng = np.random.default_rng(7)
    made = d.reading(400, 2, 1, rng, twins=1.0, known=1.0, rule=1.0, forms=0.5)
    alone = 0
    for row in range(400):
        owners = set(made.owner[row][made.answers[row, 0]].tolist())
        has = {
            n
            for n in (0, 1)
            if any(
                f"is a {kind} ."
                in d.words(made.documents[row][made.owner[row] == n])
                for kind in d.KINDS
            )
        }
        alone += len(has) == 1
        assert owners == (has or {0, 1})
    assert alone > 100
