"""Tokens become numbers and come back."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnbook import data


@given(st.lists(st.sampled_from(["drei", "und", "vierzig"])))
def test_what_is_encoded_decodes_to_itself(tokens):
    vocabulary = data.Vocabulary(["vierzig", "und", "drei"])
    assert vocabulary.decode(vocabulary.encode(tokens)) == tokens


@pytest.mark.parametrize("level", data.LEVELS)
@pytest.mark.parametrize(
    "make", [data.numbers_in_words, data.telephone_numbers]
)
def test_a_task_can_encode_all_its_examples(make, language, level):
    task = make(language, level)
    for split in task.splits:
        for example in task.examples(20, split):
            source = task.source_vocabulary.encode(example.source)
            assert min(source) > data.EOS
            assert task.source_vocabulary.decode(source) == [*example.source]


def test_the_special_tokens_come_first_and_count():
    vocabulary = data.Vocabulary("ab")
    assert vocabulary.tokens == ("<pad>", "<bos>", "<eos>", "a", "b")
    assert len(vocabulary) == 5
    assert (data.PAD, data.BOS, data.EOS) == (0, 1, 2)
    assert (vocabulary.PAD, vocabulary.BOS, vocabulary.EOS) == (0, 1, 2)


def test_a_token_given_twice_is_listed_once():
    assert data.Vocabulary("aba").tokens[3:] == ("a", "b")


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_decoding_stops_at_eos_and_leaves_out_padding(kind):
    vocabulary = data.Vocabulary("ab")
    assert vocabulary.decode(kind([1, 4, 0, 3, 2, 4, 4])) == ["b", "a"]


def test_digits_are_the_target_vocabulary():
    task = data.telephone_numbers("sv")
    assert task.target_vocabulary.tokens[3:] == tuple("0123456789")


def test_an_unknown_token_is_named():
    with pytest.raises(ValueError, match="unknown token 'fünfzig'"):
        data.Vocabulary(["drei"]).encode(["drei", "fünfzig"])


@pytest.mark.parametrize("number", [-1, 5])
def test_an_unknown_token_number_is_named(number):
    with pytest.raises(ValueError, match=f"token number {number}.* 0 to 4"):
        data.Vocabulary("ab").decode([3, number])


def test_a_special_token_cannot_be_given():
    with pytest.raises(ValueError, match="must not be one of"):
        data.Vocabulary(["a", "<pad>"])
