"""The table of copied heads supports what chapter 08 says of them."""

import pytest
import torch

from attnbook.experiments import table
from attnbook.experiments.copied_heads import (
    CONTEXTS,
    FORMS,
    filled,
    made_bytes,
    model_of,
    run,
)

SHARING = ("four groups", "MQA")


def ms(rows, variant, way, tokens):
    """Of each run, in order."""
    return [
        row["ms"]
        for row in rows
        if (row["variant"], row["way"], row["tokens"])
        == (variant, way, tokens)
    ]


def ratios(rows, one, other, tokens):
    """How many times as long one form takes as another, in each run."""
    return [
        a / b
        for a, b in zip(
            ms(rows, *one, tokens), ms(rows, *other, tokens), strict=True
        )
    ]


def test_every_form_was_measured_three_times_at_every_length():
    rows = table("copied_heads")
    assert len(rows) == 3 * len(FORMS) * len(CONTEXTS)
    for form in FORMS:
        for tokens in CONTEXTS:
            assert len(ms(rows, *form, tokens)) == 3


@pytest.mark.parametrize("variant", SHARING)
def test_copying_the_shared_heads_makes_sharing_slower_than_not_sharing(
    variant,
):
    rows, longest = table("copied_heads"), CONTEXTS[-1]
    one, plain = (variant, "copied"), ("MHA", "shared")
    assert min(ratios(rows, one, plain, longest)) > 1.2
    other = (variant, "shared")
    assert max(ratios(rows, other, plain, longest)) < 0.9
    assert min(ratios(rows, one, other, longest)) > 2


def test_latents_are_read_several_times_as_fast_where_they_are_absorbed():
    rows, longest = table("copied_heads"), CONTEXTS[-1]
    slow, fast = ("MLA", "keys made anew"), ("MLA", "absorbed")
    assert min(ratios(rows, slow, fast, longest)) > 3
    assert max(ratios(rows, fast, ("MHA", "shared"), longest)) < 1.1


def test_the_price_of_copying_grows_with_the_context():
    rows = table("copied_heads")
    for variant in SHARING:
        one, other = (variant, "copied"), (variant, "shared")
        short = ratios(rows, one, other, CONTEXTS[0])
        assert max(short) < min(ratios(rows, one, other, CONTEXTS[-1]))


def test_both_ways_compute_the_same():
    torch.manual_seed(0)
    for variant, one, other in [
        ("four groups", "copied", "shared"),
        ("MQA", "copied", "shared"),
        ("MLA", "keys made anew", "absorbed"),
    ]:
        models = [model_of(variant, way, 20).double() for way in (one, other)]
        cache = filled(models[0], 19)
        caches = [cache.rows([0]), cache.rows([0])]
        ids = torch.tensor([[3]])
        found, expected = (
            model(ids, kept)[0]
            for model, kept in zip(models, caches, strict=True)
        )
        torch.testing.assert_close(found, expected)


def test_the_bytes_that_are_made_are_those_of_all_heads():
    assert made_bytes("MQA", "shared", 100) == 0
    plain = filled(model_of("MHA", "shared", 100), 100)
    assert made_bytes("MQA", "copied", 100) == plain.bytes()
    for row in table("copied_heads"):
        made = made_bytes(row["variant"], row["way"], int(row["tokens"]))
        assert row["made MB"] == pytest.approx(made / 1e6, abs=1e-3)


def test_the_study_at_a_reduced_size_still_shows_the_price_of_copies():
    rows = run(contexts=(4096,), runs=(0,), steps=5)
    for variant in SHARING:
        one, other = (variant, "copied"), (variant, "shared")
        assert ratios(rows, one, other, 4096)[0] > 1.4
        assert ratios(rows, one, ("MHA", "shared"), 4096)[0] > 0.9
    one, other = ("MLA", "keys made anew"), ("MLA", "absorbed")
    assert ratios(rows, one, other, 4096)[0] > 2
