"""A wrong answer stops a program, and lets a person run the cells below."""

import pytest
from jupyter_client.manager import start_new_kernel

CHECK = """\
from attnbook.judging.exercise import Case, Exercise

made = Exercise("00-one", "One", 1, lambda x: x, [Case("one", (1.0,))])
made.check(lambda x: x + 1)
"""


@pytest.fixture(scope="module")
def kernel():
    manager, client = start_new_kernel()
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def run(kernel, source, **asked):
    """Run a cell; return how it ended, and what it printed."""
    printed = []

    def keep(message):
        if message["msg_type"] == "stream":
            printed.append(message["content"]["text"])

    reply = kernel.execute_interactive(
        source, output_hook=keep, timeout=60, **asked
    )
    return reply["content"], "".join(printed)


@pytest.mark.slow
def test_a_front_end_that_offers_input_shows_the_message(kernel):
    reply, printed = run(kernel, CHECK, allow_stdin=True)
    assert reply["status"] == "ok"
    assert printed.startswith("✗ One\n")
    _, printed = run(
        kernel,
        "from attnbook.judging.exercise import points_so_far\npoints_so_far()",
    )
    assert "0 / 1   ✗" in printed


@pytest.mark.slow
def test_a_program_is_stopped_by_the_same_cell_afterwards(kernel):
    for allows, status in ((True, "ok"), (False, "error"), (True, "ok")):
        reply, _ = run(kernel, CHECK, allow_stdin=allows)
        assert reply["status"] == status
    reply, _ = run(kernel, CHECK, allow_stdin=False)
    assert reply["ename"] == "WrongAnswer"
    assert reply["evalue"].startswith("✗ One")
