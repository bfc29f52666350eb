"""The study of a GPT and an n-gram model on English."""

import math

import numpy as np
import pytest
import torch

from attnbook.data.english_text import english
from attnbook.experiments import table, text_models
from attnbook.experiments.rates import widened
from attnbook.mechanisms.decoder_only import Design
from attnbook.mechanisms.n_gram import NGram

NAMES = [text_models.name_of(width) for width in text_models.WIDTHS]


def of(model, steps):
    return [
        row
        for row in table("text_models")
        if (row["model"], row["steps"]) == (model, steps)
    ]


# -- how the study is done ---------------------------------------------------


@pytest.mark.parametrize(
    "best, expected", [(4, 4), (2, 2), (16, 16), (0.25, 0.25)]
)
def test_a_grid_grows_until_its_best_rate_is_inside(best, expected):
    rate, tried = widened(lambda rate: abs(math.log(rate / best)), (2, 4, 8))
    assert rate == expected
    assert min(tried) < rate < max(tried)
    assert {2, 4, 8} <= set(tried)


def test_a_curve_crosses_a_level_between_two_points():
    points = [(1.0, 3.0), (10.0, 2.0), (100.0, 1.0)]
    assert text_models.crossing(points, 2.0) == pytest.approx(10)
    assert text_models.crossing(points, 1.5) == pytest.approx(10**1.5)
    assert text_models.crossing(points, 3.5) == 1.0
    assert text_models.crossing(points, 0.5) == math.inf


def test_bits_per_byte_do_not_depend_on_the_tokenizer():
    """A uniform model of bytes has eight bits a byte."""
    for vocabulary in (256, 300):
        text = text_models.text(vocabulary)
        part = text.parts["held-out"]
        assert part.bytes == len(english("held-out").encode())
        nats = len(part.ids) * math.log(vocabulary)
        expected = len(part.ids) * math.log2(vocabulary) / part.bytes
        assert text.bits_per_byte(nats, "held-out") == pytest.approx(expected)


def test_the_sample_is_of_the_training_text_and_as_long_as_the_held_out_one():
    text = text_models.text(300)
    sample, held_out = (text.parts[name] for name in ("sample", "held-out"))
    assert sample.bytes == pytest.approx(held_out.bytes, rel=0.1)
    whole = text.tokens.decode(text.parts["train"].ids)
    assert text.tokens.decode(sample.ids)[:2000] in whole


# -- what the committed tables say -------------------------------------------


def test_the_tables_name_their_version_and_have_three_seeds_at_each_point():
    rows = [row for row in table("text_models") if row["steps"] != ""]
    points = {(row["model"], row["steps"]) for row in rows}
    assert {model for model, _ in points} == set(NAMES)
    for point in points:
        assert len(of(*point)) >= 3
    for name in text_models.TABLES:
        assert len({row["python"] for row in table(name)}) == 1


def test_each_rate_is_the_best_of_three_or_more_and_inside_its_grid():
    for row in table("text_models"):
        if row["steps"] == "":
            continue
        tried = {
            each["rate"]: each["validation"]
            for each in table("text_rates")
            if (each["model"], each["steps"]) == (row["model"], row["steps"])
        }
        assert len(tried) >= 3
        assert row["rate"] == min(tried, key=tried.__getitem__)
        assert min(tried) < row["rate"] < max(tried)


def test_the_n_gram_model_is_tuned_inside_its_grid():
    best = text_models.best_n_gram(table("text_models"))
    tried = table("n_gram_orders")
    assert best["validation"] == min(row["validation"] for row in tried)
    for what in ("order", "discount"):
        values = {row[what] for row in tried}
        assert min(values) < best[what] < max(values)


GPT = text_models.name_of(text_models.WIDTH)


def test_the_gpt_passes_the_trigram_model_and_not_the_tuned_n_gram_model():
    rows = table("text_models")
    passed = {
        order: text_models.crossings(rows, text_models.WIDTH, order)
        for order in (2, 3, 5)
    }
    for order in (2, 3):
        assert len(passed[order]) >= 3
        assert max(passed[order]) < math.inf
    assert min(passed[3]) > 2 * max(passed[2])
    assert text_models.best_n_gram(rows)["order"] == 5
    assert min(passed[5]) == math.inf


def test_a_wider_gpt_passes_it_late_narrowly_and_not_for_long():
    rows = table("text_models")
    passed = text_models.crossings(rows, 96)
    assert len(passed) == 3
    assert 30 < min(passed) < max(passed) < 80
    n_gram = text_models.best_n_gram(rows)
    ends = {n: of("GPT, d = 96", n) for n in (800, 1600)}
    for row in ends[800]:
        assert n_gram["held-out"] - 0.02 < row["held-out"] < n_gram["held-out"]
    known = [row["validation"] for row in ends[800]]
    assert 0 < np.mean(known) - n_gram["validation"] < 0.01
    assert min(row["held-out"] for row in ends[1600]) > n_gram["held-out"]


def test_the_n_gram_model_takes_less_than_a_second():
    for row in table("text_times"):
        if row["model"].startswith("n-gram"):
            assert row["seconds"] < 1
    for row in table("text_models"):
        if row["model"] == GPT:
            assert row["seconds"] > 1


def test_training_twice_as_long_no_longer_helps():
    ends = [[row["held-out"] for row in of(GPT, n)] for n in (400, 800, 1600)]
    assert min(ends[0]) > max(ends[1]) + 0.05
    assert abs(np.mean(ends[1]) - np.mean(ends[2])) < 0.03


def test_at_one_rate_what_is_known_by_heart_grows_and_what_is_new_suffers():
    by_steps = {
        row["steps"]: row
        for row in table("text_rates")
        if (row["model"], row["rate"]) == (GPT, 4e-3)
    }
    short, long = by_steps[800], by_steps[1600]
    assert long["sample"] < short["sample"] - 0.2
    assert long["validation"] > short["validation"] + 0.02


# -- the study at a reduced size ---------------------------------------------


def test_after_seconds_the_n_gram_model_is_ahead_and_the_gpt_gains_on_it():
    text = text_models.text(512)
    model = NGram.fit(text.parts["train"].ids, 4, 512, 0.8)
    n_gram = text.bits_per_byte(
        model.log_loss(text.parts["held-out"].ids), "held-out"
    )
    bits = [
        text_models.gpt(32, steps, 8e-3, 0, text)["held-out"]
        for steps in (30, 120)
    ]
    assert bits[0] > bits[1] + 0.3 > n_gram + 0.5


def test_the_same_seed_trains_the_same_model():
    text = text_models.text(300)
    found = []
    for _ in range(2):
        model = text_models.untrained(Design(), 3, text, 16)
        text_models.trained(model, text, 3, 1e-3, 3)
        found.append(
            torch.cat([p.detach().flatten() for p in model.parameters()])
        )
    np.testing.assert_array_equal(*found)
