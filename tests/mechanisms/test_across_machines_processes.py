"""The same program in processes, started by torchrun, with Gloo."""

from __future__ import annotations

import json
import subprocess

import pytest

from attnbook.mechanisms.across_machines import (
    TRIALS,
    RankLost,
    compare_simulated,
    simulate,
)
from attnbook.mechanisms.across_machines import launch as launching
from attnbook.mechanisms.across_machines.launch import LaunchError, launch
from attnbook.mechanisms.across_machines.run import main
from attnbook.mechanisms.across_machines.training import (
    batch_of,
    losses_in,
    train,
)

STEPS, EVERY = 12, 5


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The losses of a training that nothing interrupts, on one rank."""
    folder = tmp_path_factory.mktemp("one")
    return simulate(1, lambda group: train(group, folder, STEPS, EVERY))[0]


@pytest.mark.slow
@pytest.mark.parametrize("R", [2, 4])
def test_processes_find_what_one_rank_finds_and_threads_send(R, tmp_path):
    out = tmp_path / "found.json"
    launch(R, "--out", out, "trials")
    rows = json.loads(out.read_text())
    assert [row["scheme"] for row in rows] == list(TRIALS)
    for row in rows:
        assert row["ranks"] == R
        assert row["loss_gap"] < 1e-13
        assert row["gradient_gap"] < 1e-11
        simulated = compare_simulated(row["scheme"], R)
        assert row["loss"] == simulated.loss
        assert row["sent"] == row["formula"] == simulated.sent


@pytest.mark.slow
def test_a_killed_rank_is_named_and_the_training_goes_on(
    tmp_path, undisturbed
):
    with pytest.raises(LaunchError) as failed:
        launch(2, "train", tmp_path, *_options(), "--kill", 7, 1)
    assert "rank 1 was ended by SIGKILL" in str(failed.value)
    assert "goes on from its last checkpoint" in str(failed.value)
    assert len(losses_in(tmp_path)) == 7  # of which 5 are in the checkpoint
    report = json.loads(launch(2, "train", tmp_path, *_options()))
    assert (report["trained"], report["steps"]) == (7, STEPS)
    assert losses_in(tmp_path) == pytest.approx(undisturbed, rel=1e-5)


def _options():
    return "--steps", STEPS, "--every", EVERY


# -- the same training, in threads --------------------------------------------


@pytest.mark.parametrize("R", [2, 4])
def test_the_losses_do_not_depend_on_the_number_of_ranks(
    R, tmp_path, undisturbed
):
    found = simulate(R, lambda group: train(group, tmp_path, STEPS, EVERY))
    assert all(losses == found[0] for losses in found)
    assert found[0] == pytest.approx(undisturbed, rel=1e-5)


def test_a_training_goes_on_with_the_same_losses_to_the_last_bit(tmp_path):
    def trained(folder, steps):
        return simulate(2, lambda group: train(group, folder, steps, EVERY))

    whole = trained(tmp_path / "a", STEPS)[0]
    trained(tmp_path / "b", 7)
    assert trained(tmp_path / "b", STEPS)[0] == whole[EVERY:]
    assert losses_in(tmp_path / "b") == whole


def test_a_checkpoint_of_another_number_of_ranks_is_refused(tmp_path):
    simulate(2, lambda group: train(group, tmp_path, EVERY, EVERY))
    with pytest.raises(ValueError, match=r"written by 2 ranks; there are 4"):
        simulate(4, lambda group: train(group, tmp_path, STEPS, EVERY))
    with pytest.raises(ValueError, match="cannot be split over 3 ranks"):
        simulate(3, lambda group: train(group, tmp_path, STEPS, EVERY))


def test_the_training_learns(tmp_path):
    losses = simulate(1, lambda g: train(g, tmp_path, 150, 200, rate=1e-2))[0]
    assert losses[-1] < 0.9 * losses[0]


def test_sentences_have_unequal_numbers_of_tokens_that_count():
    ids, counts = batch_of(0)
    assert ids.shape == (16, 17) and counts.shape == (16, 16)
    for row, counted in zip(ids.tolist(), counts.tolist(), strict=True):
        L = sum(counted)
        assert row[:L] == row[L + 1 : 2 * L + 1] and row[L] == 0
        assert counted[L : 2 * L] == [True] * L
    assert len(set(counts.sum(1).tolist())) > 3


# -- starting -----------------------------------------------------------------


def test_what_torchrun_says_becomes_one_sentence(monkeypatch):
    def failing(output):
        class Ended(subprocess.Popen):
            def __init__(self, *_, **__):
                super().__init__(["false"], stdout=subprocess.PIPE)

            def communicate(self, *_, **__):
                self.wait()
                return output, None

        monkeypatch.setattr(launching.subprocess, "Popen", Ended)
        with pytest.raises(LaunchError) as failed:
            launch(2, "trials")
        assert failed.value.output == output
        return str(failed.value)

    said = (
        "ValueError: three is no number\n Failures: rank      : 0\n"
        "Root Cause (first observed failure):\n  rank      : 3 (local_rank: "
        "3)\n  exitcode  : {} (pid: 1)\n"
    )
    assert failing(said.format(1)).startswith(
        "rank 3 ended with exit code 1, and torchrun ended the others. First "
        "message: ValueError: three is no number"
    )
    assert "rank 3 was ended by SIGSEGV" in failing(said.format(-11))
    assert failing("no such module").endswith("start:\nno such module")


def test_a_lost_rank_is_one_line_and_an_exit_code(monkeypatch, capsys):
    def lost(group, chosen):
        raise RankLost("rank 0 waits for rank 1")

    class Alone:
        rank, size = 0, 1

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return False

    run = main.__globals__
    monkeypatch.setitem(run, "started", lambda *_: Alone())
    monkeypatch.setitem(run, "_DO", {"trials": lost})
    with pytest.raises(SystemExit) as ended:
        main(["trials"])
    assert ended.value.code == 1
    assert capsys.readouterr().err == "RankLost: rank 0 waits for rank 1\n"
