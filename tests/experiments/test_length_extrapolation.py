"""The study of length extrapolation supports what chapter 05 says of it."""

import math

import numpy as np
import pytest
import torch

from attnbook.experiments import length_extrapolation as study
from attnbook.experiments import table


def values(way, band, column="loss", window="all", **language):
    usual = {"digits late": 0, "filler": 0}
    usual |= {"rate": study.RATE, "steps": study.STEPS}
    wanted = {**usual, **language}
    return np.array(
        [
            row[column]
            for row in table("length_extrapolation")
            if (row["way"], row["window"], row["to position"])
            == (way, window, 64 * band)
            and all(row[name] == it for name, it in wanted.items())
        ]
    )


# -- the committed table ------------------------------------------------------


LATE = {"digits late": 1}
PHRASE = {"filler": len(study.FILLER)}


@pytest.mark.parametrize("window", ["all", "trained"])
@pytest.mark.parametrize(
    ("ways", "language"),
    [
        (study.WAYS, {}),
        (study.RELATIVE, LATE),
        (["relative bias", "ALiBi"], {**LATE, "rate": 1e-2}),
        (["ALiBi"], {**PHRASE, "rate": 1e-2}),
    ],
    ids=["usual", "late", "late, tuned", "phrase"],
)
def test_every_way_has_at_least_three_seeds_at_every_band(
    window, ways, language
):
    for way in ways:
        for band in range(1, 9):
            assert len(values(way, band, "loss", window, **language)) >= 3


def test_within_the_trained_length_the_ways_are_nearly_alike():
    losses = {way: values(way, 1) for way in study.WAYS}
    assert max(each.max() for each in losses.values()) < 0.37
    with_positions = [losses[way] for way in study.WAYS if way != "none"]
    assert np.ptp(np.concatenate(with_positions)) < 0.01


def test_only_alibi_keeps_its_loss_to_eight_times_the_length():
    assert values("ALiBi", 8).max() < study.best_loss() + 0.005
    assert values("ALiBi", 8, "digits right").min() > 0.99
    for way in set(study.WAYS) - {"ALiBi"}:
        assert values(way, 8).min() > study.best_loss() + 0.5


def test_added_positions_fail_at_once_and_relative_ones_later():
    for way in ("learned", "sinusoidal"):
        assert values(way, 2).min() > 3
    assert values("RoPE", 2).max() < 0.4
    assert values("relative bias", 2).max() < 0.3


def test_at_another_rate_the_same_ways_fail_in_the_same_bands():
    again = {"rate": study.ANOTHER_RATE}
    end = {way: values(way, 8, **again).mean() for way in study.WAYS}
    assert end["ALiBi"] < study.best_loss() + 0.01
    added = min(end["learned"], end["sinusoidal"])
    assert end["relative bias"] < end["none"] < end["RoPE"] < added
    for way in study.WAYS:
        early = values(way, 2, **again).mean()
        assert (early > 3) == (way in ("learned", "sinusoidal"))
        assert values(way, 1, "digits right", **again).mean() > 0.9
    for way in study.RELATIVE:
        assert values(way, 8, window="trained", **again).max() < 0.3


def test_within_known_distances_the_relative_ways_read_on():
    for way in study.RELATIVE:
        assert values(way, 8, window="trained").max() < 0.3
    for way in ("none", "learned", "sinusoidal"):
        assert values(way, 8, window="trained").min() > 1


def digits(way, window="trained", **language):
    return values(way, 8, "digits right", window, **language)


def test_the_rate_decides_how_many_late_digits_are_right():
    tuned = {**LATE, "rate": 1e-2}
    for way in ("relative bias", "ALiBi"):
        assert digits(way, **tuned).mean() > digits(way, **LATE).mean() + 0.05
    assert digits("relative bias", **tuned).min() > 0.97


def test_alibi_is_behind_where_the_right_key_is_not_the_nearest():
    late = digits("ALiBi", **LATE, rate=1e-2)
    assert late.max() < digits("relative bias", **LATE, rate=1e-2).min() - 0.03
    assert late.max() < digits("RoPE", **LATE).min() - 0.03


def test_distance_alone_costs_alibi_less_than_a_similar_key_that_is_nearer():
    far = digits("ALiBi", **PHRASE, rate=1e-2)
    assert far.min() > digits("ALiBi", **LATE, rate=1e-2).max()


def test_alibi_does_not_read_on_where_the_right_key_lies_far():
    for language in (LATE, PHRASE):
        all_keys = digits("ALiBi", "all", **language, rate=1e-2)
        window = digits("ALiBi", **language, rate=1e-2)
        assert (all_keys < window - 0.1).all()


# -- the study itself ---------------------------------------------------------


def test_the_study_at_a_reduced_size_still_shows_who_reads_on():
    rows = study.run(
        ["sinusoidal", "ALiBi", "RoPE"],
        seeds=[0],
        steps=220,
        trained_to=48,
        times=5,
        count=16,
    )
    assert list(rows[0]) == list(table("length_extrapolation")[0])
    last = {
        (row["way"], row["window"]): row["loss"]
        for row in rows
        if row["to position"] == 240
    }
    assert last["ALiBi", "all"] < 0.6
    assert last["RoPE", "all"] > last["ALiBi", "all"] + 0.3
    assert last["RoPE", "trained"] < last["RoPE", "all"] - 0.3
    assert last["sinusoidal", "trained"] > 1.2


def test_the_best_loss_is_that_of_a_fair_guess_a_number():
    lengths = [len(f"{word} 00 ") for word in study.WORDS]
    assert study.best_loss() == pytest.approx(
        math.log(100) * 100 / sum(lengths)
    )


@pytest.mark.parametrize("delay", [0, 1, 2])
def test_digits_follow_their_words_as_late_as_asked(delay):
    (ids,) = study.texts(1, 400, np.random.default_rng(3), delay)
    text = "".join(study.ALPHABET[i] for i in ids)
    said = dict(zip(study.WORDS, study.NUMBERS, strict=True))
    words, digits, spoken = [], [], []
    for piece in text.split()[3:-1]:
        if piece.isdigit():
            words.append(" ".join(spoken))
            digits.append(piece)
            spoken = []
        else:
            spoken.append(piece)
    expected = [said.get(word) for word in words[1:]]
    late = digits[1 + delay :]
    assert len(late) > 15
    assert late == expected[: len(late)]


def test_texts_begin_anywhere_within_a_number():
    ids = study.texts(200, 1, np.random.default_rng(0))
    assert ids.shape == (200, 1)
    assert len(ids.unique()) > 15


def test_what_a_model_says_does_not_depend_on_what_comes_later():
    torch.manual_seed(0)
    for way in study.WAYS:
        model = study.LanguageModel(way, longest=40).eval()
        ids = study.texts(2, 40, np.random.default_rng(0))
        whole = model(ids)
        torch.testing.assert_close(
            model(ids[:, :25]), whole[:, :25], atol=1e-5, rtol=1e-4
        )


def test_a_window_hides_what_lies_further_back_than_its_layers_reach():
    torch.manual_seed(0)
    model = study.LanguageModel("RoPE").eval()
    ids = study.texts(1, 30, np.random.default_rng(0))
    other = ids.clone()
    other[0, 0] = (other[0, 0] + 1) % len(study.ALPHABET)
    changed = (model(ids, 5) - model(other, 5)).abs().amax(-1)[0] > 1e-6
    assert changed[:9].any() and not changed[9:].any()


def test_an_unknown_way_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"way is 'rope'; expected one of"):
        study.LanguageModel("rope")
