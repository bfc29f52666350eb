"""Workers: what one does, and what becomes of those that fail."""

import contextlib
import os
import signal
import time

import psutil
import pytest

from attnbook.grading.classroom import workers as module
from attnbook.grading.classroom.workers import (
    Done,
    OutputError,
    Workers,
    WorkersError,
)


def nothing():
    return contextlib.nullcontext("helper")


def run(task, total=6, count=2, helper=nothing, patience=60.0):
    workers = Workers(count, helper, task, patience)
    return [event for event in workers.run(total) if event is not None]


def outcomes(events: list[Done]) -> dict[int, object]:
    assert len({e.number for e in events}) == len(events)
    return {e.number: e.failure or e.outcome for e in events}


def test_each_task_is_done_once_with_the_helper():
    found = outcomes(run(lambda helper, number: f"{helper} {number}"))
    assert found == {number: f"helper {number}" for number in range(6)}


def test_a_worker_is_not_the_main_process_and_opens_its_helper_once():
    @contextlib.contextmanager
    def helper():
        yield [os.getpid()]

    def task(opened, number):
        opened.append(number)
        return opened[0], os.getpid(), len(opened)

    found = outcomes(run(task, total=8, helper=helper))
    assert all(one == two != os.getpid() for one, two, _ in found.values())
    assert max(size for *_, size in found.values()) > 2


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "ended by SIGKILL"),
        (lambda: os._exit(0), "its process ended"),
        (lambda: 1 / 0, "ZeroDivisionError: division by zero (test_class_"),
        (lambda: time.sleep(600), "it took more than 1 s"),
    ],
    ids=["killed", "left", "raised", "slow"],
)
def test_a_task_whose_worker_fails_is_tried_twice(trouble, words, tmp_path):
    def task(_, number):
        with (tmp_path / str(number)).open("a") as file:
            file.write("x")
        if number == 1:
            trouble()
        return "done"

    found = outcomes(run(task, patience=1.0))
    assert words in found.pop(1)
    assert set(found.values()) == {"done"}
    tries = {p.name: p.read_text() for p in tmp_path.iterdir()}
    assert tries.pop("1") == "xx"
    assert set(tries.values()) == {"x"}


def test_what_succeeds_the_second_time_is_done(tmp_path):
    def task(_, number):
        mark = tmp_path / str(number)
        if not mark.exists():
            mark.touch()
            os._exit(1)
        return "done"

    assert set(outcomes(run(task)).values()) == {"done"}


def test_workers_that_cannot_start_end_the_grading():
    def helper():
        raise OSError("no sandbox here")

    with pytest.raises(WorkersError, match="no sandbox here"):
        run(lambda *_: None, helper=helper)


def test_what_cannot_be_written_ends_the_grading():
    def task(_, number):
        raise OutputError("The disk is full.")

    with pytest.raises(OutputError, match="The disk is full"):
        run(task)


def test_a_stop_lets_end_what_is_under_way_and_starts_nothing():
    workers = Workers(1, nothing, lambda _, n: time.sleep(0.5) or n, 60)
    found = []
    for event in workers.run(5):
        if workers.busy and not workers.is_stopping:
            workers.stop()
        if event is not None:
            found.append(event.number)
    assert found == [0]


def test_a_stop_does_not_wait_for_ever(monkeypatch):
    monkeypatch.setattr(module, "_GRACE", 0.3)
    workers = Workers(2, nothing, lambda *_: time.sleep(600), 60)
    for _ in workers.run(5):
        if workers.busy == 2 and not workers.is_stopping:
            workers.stop()
    assert workers.busy == 0


def test_what_a_worker_started_ends_with_it(tmp_path):
    def task(_, number):
        child = os.fork()
        if not child:
            time.sleep(600)
        (tmp_path / "pid").write_text(str(child))
        time.sleep(600)

    found = outcomes(run(task, total=1, count=1, patience=1.0))
    assert "took more than" in found[0]
    pid = int((tmp_path / "pid").read_text())
    patience = time.monotonic() + 30  # the signal may be on its way
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        # Whoever is to ask for a zombie is not always there.
        while process.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < patience, process.status()
            time.sleep(0.05)


def test_what_is_printed_in_a_worker_is_not_shown(capfd):
    run(lambda *_: os.write(1, b"out") and os.write(2, b"err"))
    assert capfd.readouterr() == ("", "")
