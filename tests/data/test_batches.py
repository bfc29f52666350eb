"""A batch holds its examples and nothing else."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from attnbook import data

TASKS = [
    make(language, level)
    for make in (data.numbers_in_words, data.telephone_numbers)
    for language in ("de", "fr")
    for level in data.LEVELS
]
each_task = pytest.mark.parametrize("task", TASKS, ids=repr)
tensors = (
    "source",
    "source_mask",
    "target_in",
    "target_out",
    "target_mask",
    "alignment",
    "length",
)


def same(one, other):
    return all(
        torch.equal(getattr(one, name), getattr(other, name))
        for name in tensors
    )


def check_batch_holds_examples(task, batch, examples):
    assert len(batch) == len(examples)
    for at, item in enumerate(examples):
        S, T = len(item.source), len(item.target)
        source = batch.source[at]
        assert task.source_vocabulary.decode(source) == [*item.source]
        assert batch.source_mask[at].tolist() == [
            here < S for here in range(len(source))
        ]
        assert not source[S:].any()
        digits = task.target_vocabulary.encode(item.target)
        fill = [data.PAD] * (batch.target_in.shape[1] - T - 1)
        assert batch.target_in[at].tolist() == [data.BOS, *digits, *fill]
        assert batch.target_out[at].tolist() == [*digits, data.EOS, *fill]
        mask = [True] * (T + 1) + [False] * len(fill)
        assert batch.target_mask[at].tolist() == mask
        aligned = batch.alignment[at].numpy()
        assert (aligned[:T, :S] == item.alignment).all()
        assert aligned.sum() == item.alignment.sum()
        assert batch.length[at] == item.length


@each_task
def test_a_sampled_batch_holds_the_examples_of_the_same_seed(task):
    for split in task.splits:
        batch = task.sample(40, np.random.default_rng(5), split)
        examples = task.examples(40, split, seed=5)
        check_batch_holds_examples(task, batch, examples)


@each_task
def test_collating_gives_the_same_batch_as_sampling(task):
    for split in task.splits:
        batch = task.sample(40, np.random.default_rng(5), split)
        assert same(batch, task.collate(task.examples(40, split, seed=5)))


@given(
    which=st.integers(0, len(TASKS) - 1),
    size=st.integers(1, 9),
    seed=st.integers(0, 1_000),
)
def test_a_collated_batch_holds_its_examples(which, size, seed):
    task = TASKS[which]
    split = task.splits[seed % len(task.splits)]
    examples = task.examples(size, split, seed=seed)
    check_batch_holds_examples(task, task.collate(examples), examples)


@each_task
def test_an_example_is_the_spelling_of_its_digits(task):
    for item in task.examples(30, "train", seed=2):
        if task.unit == "pairs":
            spelling = data.spell_digits(item.target, task.language)
            assert item.length == len(item.target) // 2
        else:
            spelling = data.spell(int(item.target), task.language)
            assert item.length == len(item.target)
        tokens, alignment = spelling.at(task.level)
        assert item.source == tokens
        assert (item.alignment == alignment).all()


@each_task
def test_shapes_and_types_are_as_documented(task):
    batch = task.sample(6, np.random.default_rng(0))
    B, T, S = batch.alignment.shape
    assert B == len(batch) == 6
    assert batch.source.shape == batch.source_mask.shape == (B, S)
    for name in ("target_in", "target_out", "target_mask"):
        assert getattr(batch, name).shape == (B, T)
    assert batch.length.shape == (B,)
    for name in ("source", "target_in", "target_out", "length"):
        assert getattr(batch, name).dtype == torch.long
    for name in ("source_mask", "target_mask", "alignment"):
        assert getattr(batch, name).dtype == torch.bool


@each_task
def test_the_longest_example_is_not_padded(task):
    batch = task.sample(6, np.random.default_rng(0))
    assert batch.source_mask.all(1).any()
    assert batch.target_mask.all(1).any()


@each_task
def test_eos_and_padding_are_aligned_with_nothing(task):
    batch = task.sample(60, np.random.default_rng(1))
    is_digit = batch.target_out > data.EOS
    assert not batch.alignment[~is_digit].any()
    hidden = ~batch.source_mask[:, None, :].expand_as(batch.alignment)
    assert not batch.alignment[hidden].any()


@each_task
def test_the_same_generator_gives_the_same_batches(task):
    one, other = np.random.default_rng(7), np.random.default_rng(7)
    for split in task.splits:
        first = task.sample(9, one, split)
        assert same(first, task.sample(9, other, split))
        second = task.sample(9, one, split)
        assert not torch.equal(first.source, second.source)
        other.bit_generator.state = one.bit_generator.state


def test_another_task_of_the_same_kind_gives_the_same_batches():
    one = TASKS[-1].sample(9, np.random.default_rng(7))
    again = data.telephone_numbers("fr", "character")
    assert same(one, again.sample(9, np.random.default_rng(7)))


@pytest.mark.parametrize("length", [1, 3, 8])
def test_a_length_can_be_asked_for(length):
    task = data.telephone_numbers()
    batch = task.sample(20, np.random.default_rng(0), length=length)
    assert (batch.length == length).all()
    assert batch.target_out.shape == (20, 2 * length + 1)
    assert {
        len(item.target) for item in task.examples(20, "train", length)
    } == {2 * length}


def test_a_length_of_numbers_in_words_counts_digits():
    task = data.numbers_in_words("sv")
    batch = task.sample(20, np.random.default_rng(0), "held-out", 3)
    assert batch.target_out.shape == (20, 4)


def test_one_example_can_be_made_of_digits():
    phone = data.telephone_numbers().example("0543")
    assert phone.source == ("null", "fünf", "drei", "und", "vierzig")
    assert phone.length == 2
    number = data.numbers_in_words().example("43")
    assert number.source == ("drei", "und", "vierzig")
    assert number.alignment.astype(int).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_a_batch_moves_to_a_device_as_a_whole():
    batch = TASKS[0].sample(3, np.random.default_rng(0)).to("meta")
    assert {getattr(batch, name).device.type for name in tensors} == {"meta"}


def test_a_batch_and_a_task_show_what_they_are():
    batch = TASKS[0].sample(3, np.random.default_rng(0), length=4)
    assert repr(batch).startswith("Batch(B=3, S=")
    assert repr(data.telephone_numbers()) == (
        "TelephoneNumbers(German, morpheme level; pairs: train 1 to 8, "
        "held-out 1 to 8, longer 9 to 12)"
    )
