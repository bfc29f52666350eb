"""Rows of number words: all names, nothing but names, in three parts."""

import numpy as np
import pytest
import torch

from attnbook.data import numbers_in_words, spell
from attnbook.data.number_names import NOTHING, PARTS, NumberNames


@pytest.fixture(scope="module")
def names():
    return NumberNames()


def test_a_row_is_the_name_of_its_number(names):
    assert names.text(names.rows[43]) == "drei und vierzig · · · ·"
    for number in (0, 1, 700, 1201, 9999):
        words = [w for w in names.text(names.rows[number]).split()]
        words = [word for word in words if word != NOTHING]
        assert tuple(words) == spell(number).morphemes


def test_all_rows_are_different_and_read_as_their_numbers(names):
    assert len(set(map(tuple, names.rows.tolist()))) == 10_000
    assert names.numbers(names.rows) == list(range(10_000))
    assert names.mask_id not in names.rows


def test_what_names_no_number_is_not_valid(names):
    wrong = [
        "vier und drei",
        "hundert",
        "drei hundert tausend",
        "· drei",
        "drei und [MASK]",
        "eins hundert",
    ]
    rows = torch.stack([names.encode(text) for text in wrong])
    assert not names.valid(rows).any()
    assert names.valid(names.encode("drei hundert eins")[None]).all()


def test_the_parts_share_no_row_and_held_out_are_those_of_the_course(names):
    parts = [set(map(tuple, names.part(p).tolist())) for p in PARTS]
    assert sum(map(len, parts)) == 10_000
    assert len(set.union(*parts)) == 10_000
    task = numbers_in_words()
    for example in task.examples(50, "held-out"):
        row = tuple(names.rows[int(example.target)].tolist())
        assert row in parts[2]
    assert 400 < len(parts[1]) < 500
    known = names.trained_on(range(10_000))
    assert known.sum() == len(parts[0])
    assert torch.equal(
        names.rows[torch.from_numpy(known)], names.part("train")
    )
    assert known.dtype == np.bool_


def test_bad_input_says_what_was_expected(names):
    with pytest.raises(ValueError, match="expected one of train"):
        names.part("test")
    with pytest.raises(ValueError, match="'elfzig'"):
        names.encode("elfzig")
    with pytest.raises(ValueError, match="at most 7"):
        names.encode("drei " * 8)
    with pytest.raises(ValueError, match="unknown language"):
        NumberNames("xx")


def test_other_languages_have_rows_too():
    names = NumberNames("en")
    assert names.text(names.rows[21]).startswith("twenty - one ·")
    assert "English" in repr(names)
