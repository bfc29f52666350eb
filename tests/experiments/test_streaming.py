"""The tables of streaming support what chapter 09 says of them."""

import math

import pytest
import torch

from attnbook.experiments import table
from attnbook.experiments.streaming import (
    AFRESH,
    EVERYTHING,
    LONGEST,
    SINKS,
    STARTS,
    loss_of,
    parts_of,
    sinks_of,
    streams,
    trained,
    untrained,
    ways,
)
from attnbook.experiments.text_models import text

ANYWHERE, EXTRA = STARTS


def bits(start, way, part):
    """Of each seed, in order."""
    return [
        row["bits"]
        for row in table("streaming")
        if (row["starts"], row["way"], row["part"]) == (start, way, part)
    ]


@pytest.mark.parametrize("start", STARTS)
def test_the_ways_differ_only_once_something_has_fallen_out(start):
    for way in ways():
        inside = bits(start, way, "first window")
        assert len(inside) == 3
        assert inside == pytest.approx(
            bits(start, EVERYTHING, "first window"), abs=2e-3
        )


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("part", ["second window", "later"])
def test_the_last_tokens_alone_do_as_well_as_a_fresh_window(start, part):
    alone = bits(start, f"{LONGEST} last tokens", part)
    assert alone == pytest.approx(bits(start, AFRESH, part), abs=5e-3)


@pytest.mark.parametrize("start", STARTS)
def test_first_tokens_that_are_kept_do_not_help_later(start):
    alone = bits(start, f"{LONGEST} last tokens", "later")
    for count in SINKS[1:]:
        way = f"{LONGEST - count} last tokens and {count} first"
        for kept, without in zip(
            bits(start, way, "later"), alone, strict=True
        ):
            assert kept > without - 2e-3


@pytest.mark.parametrize("start", STARTS)
def test_keeping_everything_costs_late_in_the_text(start):
    for everything, fresh in zip(
        bits(start, EVERYTHING, "later"),
        bits(start, AFRESH, "later"),
        strict=True,
    ):
        assert 0.25 < everything - fresh < 0.4


def test_no_head_has_a_sink():
    for row in table("streaming_sinks"):
        assert row["weight"] <= 0.03 and row["equal weights"] > 0.02


@pytest.fixture(scope="module")
def of():
    return text(300)


@pytest.mark.parametrize("start", STARTS)
def test_all_ways_agree_until_something_falls_out(of, start):
    model = untrained(start, 0, of)
    ids = streams(of, 2, 80)
    found = {name: read(model, ids) for name, read in ways([0, 2]).items()}
    inside = LONGEST - (start == EXTRA)
    expected = found[EVERYTHING]
    for losses in found.values():
        assert losses.shape == (2, 80)
        torch.testing.assert_close(
            losses[:, :inside], expected[:, :inside], rtol=1e-4, atol=1e-4
        )


def test_the_extra_token_is_read_and_never_predicted(of):
    model, ids = untrained(EXTRA, 0, of), streams(of, 3, LONGEST)
    assert model.begun(ids[:, :-1])[:, 0].eq(of.tokens.size).all()
    read = model.begun(ids[:, :-1])[:, :LONGEST]
    log_p = model.decoder(read)[0].log_softmax(-1)[:, 1:]
    expected = -log_p.gather(-1, ids[:, 1:LONGEST, None]).mean()
    torch.testing.assert_close(loss_of(model, ids), expected)


def test_the_parts_of_a_text_follow_each_other(of):
    losses = torch.arange(256.0).expand(2, 256) * math.log(2)
    found = parts_of(untrained(ANYWHERE, 0, of), losses)
    assert found == {
        "first window": 31.5,
        "second window": 95.5,
        "later": 191.5,
    }
    assert parts_of(untrained(EXTRA, 0, of), losses)["first window"] == 31


def test_an_untrained_model_looks_at_all_tokens_alike(of):
    rows = sinks_of(untrained(ANYWHERE, 0, of), streams(of, 2, LONGEST))
    assert len(rows) == 8
    for row in rows:
        assert row["weight"] == pytest.approx(row["equal weights"], rel=0.1)


def test_the_study_at_a_reduced_size(of):
    torch.set_num_threads(1)
    model, loss = trained(ANYWHERE, 0, 8e-3, 40, of)
    assert loss < 0.9 * math.log(of.tokens.size)
    ids = streams(of, 4, 200)
    bits = {
        name: parts_of(model, read(model, ids))
        for name, read in ways([0, 1]).items()
    }
    assert len(bits) == 4
    assert len({each["first window"] for each in bits.values()}) == 1
