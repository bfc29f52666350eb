"""The Python side: what an explorer takes, refuses and says of itself."""

from __future__ import annotations

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from attnbook import explorers
from attnbook.explorers.kit.explorer import as_array

KEYS = np.array([[0.9, 0.8], [-0.7, 0.8], [0.2, -0.9]])  # (3, 2)
VALUES = np.array([3.0, 7.5, -1.0])  # (3,)
LABELS = ["economy", "history", "bread"]
SENTENCE = {
    "label": "forty-three",
    "source": ["drei", "und", "vierzig"],
    "target": ["4", "3"],
    "weights": np.array([[0.1, 0.1, 0.8], [0.7, 0.2, 0.1]]),  # (2, 3)
    "truth": np.array([[False, False, True], [True, False, False]]),
}

HEADS = {**SENTENCE, "weights": np.stack([SENTENCE["weights"]] * 2)}

STAGE = {
    "name": "embedding",
    "shape": "(B, T, D)",
    "formula": "E[token]",
    "text": "looked up",
    "values": [[0.5, -0.25]],
}


def draw(width):
    fig, ax = plt.subplots(figsize=(3, 2))
    ax.plot([0, width])
    return fig


def one_of_each():
    return [
        explorers.SoftLookup(KEYS, VALUES, LABELS),
        explorers.SoftmaxDial([2.0, 1.0, 0.5], LABELS),
        explorers.AlignmentScrubber([SENTENCE]),
        explorers.Frames(draw, [0.5, 1.0], label="width", alt="A line"),
        explorers.ScaledScores(np.ones((2, 8)), np.ones((3, 8))),
        explorers.RotaryDial([1.0, 0.5], [0.3, -0.2]),
        explorers.Wavelengths(),
        explorers.MaskPainter(np.ones((2, 3))),
        explorers.ScoreWindow({"dot": np.ones((1, 3))}, LABELS, ["bread"]),
        explorers.HeadPicker([HEADS]),
        explorers.BlockWalk(["a"], [STAGE], {"B": 1, "T": 1, "D": 2}),
    ]


def test_an_explorer_shows_a_widget_and_a_text_where_none_can_run():
    for explorer in one_of_each():
        data, _ = explorer._repr_mimebundle_()
        assert "application/vnd.jupyter.widget-view+json" in data
        assert data["text/plain"] == repr(explorer)


def test_the_text_of_an_explorer_is_the_same_in_every_run():
    for first, second in zip(one_of_each(), one_of_each(), strict=True):
        assert repr(first) == repr(second)
        assert "0x" not in repr(first) and first.model_id not in repr(first)


def test_the_state_of_an_explorer_is_plain_json_without_buffers():
    for explorer in one_of_each():
        state = explorer.get_state()
        own = {
            name: value
            for name, value in state.items()
            if not name.startswith("_") and name != "layout"
        }
        assert json.loads(json.dumps(own)) == own
        assert "render" in state["_esm"]


def test_python_receives_what_the_reader_does():
    explorer = explorers.SoftLookup(KEYS, VALUES, LABELS)
    explorer.set_state({"query": [0.25, -0.5], "temperature": 2.0})
    assert explorer.query == [0.25, -0.5]
    assert explorer.temperature == 2.0


def test_torch_tensors_are_taken_as_they_are():
    weights = torch.tensor(SENTENCE["weights"], requires_grad=True)
    truth = torch.tensor(SENTENCE["truth"])
    scrubber = explorers.AlignmentScrubber(
        [{**SENTENCE, "weights": weights, "truth": truth}]
    )
    assert scrubber.sentences[0]["weights"][0] == [0.1, 0.1, 0.8]
    assert scrubber.sentences[0]["truth"][1] == [True, False, False]


def test_a_sentence_may_have_no_label_and_no_truth():
    sentence = {k: SENTENCE[k] for k in ("source", "target", "weights")}
    scrubber = explorers.AlignmentScrubber([sentence])
    assert scrubber.sentences[0]["label"] == "drei und vierzig"
    assert scrubber.sentences[0]["truth"] is None


def test_labels_are_counted_where_none_are_given():
    assert explorers.SoftmaxDial([1.0, 2.0]).labels == ["1", "2"]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (
            lambda: explorers.SoftLookup(KEYS.T, VALUES),
            r"keys must have the shape \(N, 2\), got \(2, 3\)",
        ),
        (
            lambda: explorers.SoftLookup(KEYS, VALUES[:2]),
            r"values must have the shape \(3,\), got \(2,\)",
        ),
        (
            lambda: explorers.SoftLookup(KEYS * 2, VALUES),
            "keys must lie between -1 and 1, got 1.8",
        ),
        (
            lambda: explorers.SoftLookup(KEYS, VALUES, query=(0, 1.3)),
            "query must lie between -1.2 and 1.2, got 1.3",
        ),
        (
            lambda: explorers.SoftLookup(KEYS, VALUES, LABELS[:2]),
            "labels must have one entry for each of the 3 keys, got 2",
        ),
        (
            lambda: explorers.SoftLookup(KEYS, VALUES, "economy"),
            "labels must be a list of 3 strings, got one string",
        ),
        (
            lambda: explorers.SoftLookup(KEYS, VALUES, score="cosine"),
            "score must be one of 'dot', 'negative-distance', got 'cosine'",
        ),
        (
            lambda: explorers.SoftmaxDial([1.0, np.nan]),
            r"scores must be finite, got nan at \(1,\)",
        ),
        (
            lambda: explorers.SoftmaxDial([]),
            r"scores must have the shape \(N,\), got \(0,\)",
        ),
        (
            lambda: explorers.SoftmaxDial([[1.0], [2.0, 3.0]]),
            r"scores must be an array of numbers of shape \(N,\), got list",
        ),
        (
            lambda: explorers.SoftmaxDial([1.0], temperature=0),
            "temperature must lie between 0.05 and 20, got 0",
        ),
        (
            lambda: explorers.AlignmentScrubber(SENTENCE),
            "sentences must be a list of dictionaries, got one dictionary",
        ),
        (
            lambda: explorers.AlignmentScrubber([]),
            "sentences must hold at least one sentence",
        ),
        (
            lambda: explorers.AlignmentScrubber([{"source": ["drei"]}]),
            r"sentences\[0\] must have the keys label, source, target",
        ),
        (
            lambda: explorers.AlignmentScrubber(
                [{**SENTENCE, "weights": SENTENCE["weights"].T}]
            ),
            r"weights'\] must have the shape \(2, 3\), got \(3, 2\)",
        ),
        (
            lambda: explorers.AlignmentScrubber(
                [{**SENTENCE, "weights": SENTENCE["weights"] * 3}]
            ),
            "Pass the weights, not the scores",
        ),
        (
            lambda: explorers.AlignmentScrubber(
                [{**SENTENCE, "truth": [[True]]}]
            ),
            r"truth'\] must have the shape \(2, 3\), got \(1, 1\)",
        ),
        (
            lambda: explorers.Frames(draw, [], alt="A line"),
            "values must hold 1 to 100 values, got 0",
        ),
        (
            lambda: explorers.Frames(draw, [1.0]),
            "alt must say what the frame shows, got None",
        ),
        (
            lambda: explorers.Frames(lambda value: value, [1.0], alt="A line"),
            "draw must return a Matplotlib figure, got float for 1.0",
        ),
        (
            lambda: explorers.Frames(
                lambda w: plt.figure(figsize=(w, 2)), [1.0, 2.0], alt="A line"
            ),
            "draw must return figures of one size",
        ),
    ],
)
def test_bad_input_says_what_was_expected_and_what_came(make, says):
    with pytest.raises(ValueError, match=says) as caught:
        make()
    assert str(caught.value).count(".") >= 2  # the error says what to do


def test_a_scalar_where_rows_belong_is_refused():
    with pytest.raises(ValueError, match=r"got \(\)"):
        as_array("scores", 1.0, ("N",))


def test_frames_leave_no_open_figure_and_the_same_bytes_every_time():
    before = plt.get_fignums()
    first, second = (
        explorers.Frames(draw, [0.5, 1.0], alt=lambda v: f"A line to {v}")
        for _ in range(2)
    )
    assert plt.get_fignums() == before
    assert first.images == second.images
    assert first.images[0] != first.images[1]
    assert first.alts == ["A line to 0.5", "A line to 1.0"]
    assert (first.width, first.height) == (300, 200)
