"""Wrong answers to the exercises of chapter 10 that are no known mistake."""

import pytest
import torch
from unforeseen import assert_told_by_its_numbers
from verdicts import named, parts_of

from attnbook.checks.flash_attention import EXERCISES

# -- what nobody foresaw -----------------------------------------------------


def with_louder_values(query, key, value, lengths, tile):
    right = EXERCISES["10-tiles"].reference
    return right(query, key, 1.3 * value, lengths, tile)


def with_lower_slopes(query, key, value, slopes, tile):
    right = EXERCISES["10-slanted"].reference
    return right(query, key, value, 0.7 * slopes, tile)


def with_a_higher_sink(outputs, lses, sink):
    return EXERCISES["10-merge"].reference(outputs, lses, sink + 0.3)


def with_a_louder_gradient(query, key, value, output, lse, d_output, tile):
    right = EXERCISES["10-backward"].reference
    return right(query, key, value, output, lse, 1.2 * d_output, tile)


@pytest.mark.parametrize(
    ("grade_id", "answer"),
    [
        ("10-tiles", with_louder_values),
        ("10-slanted", with_lower_slopes),
        ("10-merge", with_a_higher_sink),
        ("10-backward", with_a_louder_gradient),
    ],
)
def test_what_nobody_foresaw_is_told_by_its_numbers(grade_id, answer):
    assert_told_by_its_numbers(EXERCISES[grade_id].diagnose(answer))


# -- what is right in part ---------------------------------------------------


def by_a_wide_tile(query, key, value, slopes, tile):
    """Right numbers; a tile as wide as the text."""
    right = EXERCISES["10-slanted"].reference
    return right(query, key, value, slopes, key.shape[2])


def with_the_mask_as_a_table(query, key, value, output, lse, d_output, tile):
    """Tiles of scores, but a mask for the whole text."""
    T, S = query.shape[2], key.shape[2]
    torch.ones(T, S, dtype=torch.bool).tril(S - T)
    right = EXERCISES["10-backward"].reference
    return right(query, key, value, output, lse, d_output, tile)


def by_the_table(query, key, value, output, lse, d_output, tile):
    right = EXERCISES["10-backward"].reference
    return right(query, key, value, output, lse, d_output, key.shape[2])


@pytest.mark.parametrize(
    ("grade_id", "answer"),
    [
        ("10-slanted", by_a_wide_tile),
        ("10-backward", with_the_mask_as_a_table),
        ("10-backward", by_the_table),
    ],
)
def test_a_table_costs_its_own_part_alone(grade_id, answer):
    exercise = EXERCISES[grade_id]
    wanted = [part.name for part in exercise.parts if part.name != "table"]
    assert parts_of(exercise, answer) == wanted


def gated(outputs, lses, sink):
    """A gate, right but where no piece has a key."""
    merged = (lses.softmax(0)[..., None] * outputs).sum(0)
    lse = lses.logsumexp(0)
    gate = torch.sigmoid(lse - sink[:, None])
    return gate[..., None] * merged, torch.logaddexp(lse, sink[:, None])


def test_a_gate_that_forgets_rows_without_keys_loses_what_asks_for_them():
    exercise = EXERCISES["10-merge"]
    assert parts_of(exercise, gated) == ["pieces"]
    assert named(exercise, gated) == "a gate that forgets rows without keys"


def by_bare_exponentials(outputs, lses, sink):
    powers = torch.cat(
        [
            lses.exp(),
            sink.exp()[None, None, :, None].expand(1, *lses.shape[1:]),
        ]
    )
    total = powers.sum(0)
    output = ((powers[:-1] / total)[..., None] * outputs).sum(0)
    return output, total.log()


def test_bare_exponentials_are_named():
    exercise = EXERCISES["10-merge"]
    assert named(exercise, by_bare_exponentials) == (
        "exponentials that overflow"
    )
