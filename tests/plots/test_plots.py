"""The figures show what they were given, and refuse what does not fit."""

import colorsys

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from attnbook import plots

mpl.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    with mpl.rc_context():
        yield
    plt.close("all")


WEIGHTS = np.array([[0.9, 0.1, 0.0], [0.0, 0.2, 0.8]])
TRUTH = np.array([[True, False, False], [False, True, True]])


def test_the_map_shows_the_weights_from_zero_to_one_with_their_tokens():
    ax = plots.attention_map(WEIGHTS, ["drei", "und", "vierzig"], "43")
    image = ax.images[0]
    np.testing.assert_array_equal(image.get_array(), WEIGHTS)
    assert image.get_clim() == (0, 1)
    labels = [tick.get_text() for tick in ax.get_xticklabels()]
    assert labels == ["drei", "und", "vierzig"]
    assert ax.get_xlabel() and ax.get_ylabel()


OWN = {
    "that require a gradient": lambda x: torch.tensor(x).requires_grad_(),
    "of half precision": lambda x: torch.tensor(x).bfloat16(),
    "in a list": lambda x: list(torch.tensor(x).requires_grad_()),
}


@pytest.mark.parametrize("kind", OWN)
def test_weights_of_ones_own_model_are_drawn(kind):
    weights = OWN[kind](WEIGHTS)
    for ax in (
        plots.attention_map(weights, "abc", "43", torch.tensor(TRUTH)),
        plots.alignment_against_truth(
            weights, torch.tensor(TRUTH), "abc", "43"
        )[0],
    ):
        np.testing.assert_allclose(
            ax.images[0].get_array(), WEIGHTS, rtol=0.01
        )
        assert len(ax.patches) == TRUTH.sum()
    shaded = plots.shaded_table(weights, [["a"] * 3] * 2, "xy", "abc")
    np.testing.assert_allclose(
        shaded.images[0].get_array(), WEIGHTS, rtol=0.01
    )
    plots.wirings("abc", "43", weights)
    for draw in (plots.curves, plots.accuracy_by_length):
        line = draw({"own": weights}, [1, 2, 3]).lines[0]
        np.testing.assert_allclose(
            line.get_ydata(), WEIGHTS.mean(0), rtol=0.01
        )
    plots.dots_by_seed({"own": weights})
    plots.leaderboard([{"model": "own", "alignment": weights[0]}])
    assert "[0.00, 0.90]" in repr(
        plots.Table({"own": ".2f"}, [[weights[0]]], labels=0)
    )


def test_a_token_with_dollars_is_no_formula():
    tokens = ["$\\frac$", "$^$", "$5 and $6"]
    ax = plots.attention_map(WEIGHTS, tokens, tokens[:2])
    plots.wirings(tokens, tokens[:2], WEIGHTS)
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()
    assert [tick.get_text() for tick in ax.get_xticklabels()] == tokens


def test_each_true_cell_is_outlined_where_it_stands():
    ax = plots.attention_map(WEIGHTS, "abc", "43", TRUTH)
    centres = {
        (round(p.get_x() + 0.46), round(p.get_y() + 0.46)) for p in ax.patches
    }
    assert centres == {(0, 0), (1, 1), (2, 1)}


def test_learnt_and_true_stand_side_by_side():
    learnt, true = plots.alignment_against_truth(WEIGHTS, TRUTH, "abc", "43")
    np.testing.assert_array_equal(learnt.images[0].get_array(), WEIGHTS)
    np.testing.assert_array_equal(
        true.images[0].get_array(), [[1, 0, 0], [0, 0.5, 0.5]]
    )


def test_the_curve_is_the_mean_and_its_band_the_range_of_the_seeds():
    seeds = np.array([[1.0, 0.5, 0.1], [0.8, 0.7, 0.3]])
    ax = plots.accuracy_by_length({"model": seeds}, [1, 4, 8], 4)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.9, 0.6, 0.2])
    band = ax.collections[0].get_paths()[0].vertices
    for length, low, high in [(1, 0.8, 1.0), (4, 0.5, 0.7), (8, 0.1, 0.3)]:
        edge = band[band[:, 0] == length][:, 1]
        assert edge.min() == low and edge.max() == high
    assert ax.get_legend().get_texts()[0].get_text() == "model"


def test_the_leaderboard_shows_each_seed_and_says_what_a_model_has_not():
    rows = [
        {"model": "one", "exact match": [0.2, 0.4], "seconds": [3, 5]},
        {"model": "two", "exact match": [1.0], "alignment": [0.8]},
    ]
    axes = plots.leaderboard(rows)
    np.testing.assert_array_equal(axes[0].lines[0].get_xdata(), [0.2, 0.4])
    assert axes[0].patches[0].get_width() == pytest.approx(0.3)
    assert "has none" in [text.get_text() for text in axes[2].texts]


def test_shapes_that_do_not_fit_the_tokens_are_named():
    with pytest.raises(ValueError, match=r"weights has shape \(2, 3\)"):
        plots.attention_map(WEIGHTS, "abcd", "43")
    with pytest.raises(ValueError, match=r"truth has shape \(3, 2\)"):
        plots.attention_map(WEIGHTS, "abc", "43", TRUTH.T)
    with pytest.raises(ValueError, match=r"expected \(seeds, 2\)"):
        plots.accuracy_by_length({"m": np.ones((3, 4))}, [1, 2])
    with pytest.raises(ValueError, match="at least one row"):
        plots.leaderboard([])


def test_the_sequential_map_darkens_steadily_so_that_it_prints_in_grey():
    colours = plots.SEQUENTIAL(np.linspace(0, 1, 33))[:, :3]
    lightness = [colorsys.rgb_to_hls(*colour)[1] for colour in colours]
    assert np.all(np.diff(lightness) < 0)
    assert lightness[0] == 1


def test_in_the_wirings_a_line_is_as_wide_as_its_weight():
    fixed, attention = plots.wirings("abc", "43", WEIGHTS)
    widths = [line.get_linewidth() for line in attention.lines[2:]]
    np.testing.assert_allclose(widths, 0.4 + 5 * WEIGHTS.ravel())
    assert "c" in [text.get_text() for text in fixed.texts]


def test_the_two_wirings_differ_in_what_is_computed_first():
    bahdanau, luong = plots.decoder_wirings()
    words = [
        {text.get_text() for text in ax.texts} for ax in (bahdanau, luong)
    ]
    assert "1 asks" in words[0] and "1 steps" in words[1]
    assert "$c_i$" in words[0] & words[1]
    assert "input feeding" in words[1] - words[0]
    _, without = plots.decoder_wirings(feeding=False)
    assert "input feeding" not in {text.get_text() for text in without.texts}


def test_curves_are_means_and_refuse_another_number_of_points():
    ax = plots.curves({"a": [[0, 1, 2], [2, 3, 4]]}, [1, 2, 3], "t", "x", "y")
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [1, 2, 3])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("x", "y")
    with pytest.raises(ValueError, match="one column for each x"):
        plots.curves({"a": [[0, 1]]}, [1, 2, 3])


def test_dots_stand_by_group_and_seed():
    ax = plots.dots_by_seed({"one": [[1, 2], [3]], "two": [[4], [5]]}, "t")
    assert [list(line.get_ydata()) for line in ax.lines] == [
        [1, 2],
        [3],
        [4],
        [5],
    ]
    assert [round(line.get_xdata()[0]) for line in ax.lines] == [0, 0, 1, 1]


def test_a_shaded_table_shows_its_texts_and_refuses_another_shape():
    ax = plots.shaded_table([[0.1, 0.9]], [["low", "high"]], ["r"], ["a", "b"])
    assert [text.get_text() for text in ax.texts] == ["low", "high"]
    with pytest.raises(ValueError, match="one for each row and column"):
        plots.shaded_table([[0.1]], [["low"]], ["r"], ["a", "b"])
