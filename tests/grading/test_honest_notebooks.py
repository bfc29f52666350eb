"""What honest learners do besides their answers costs them no point.

Neither where one notebook is graded nor in a class. Each notebook here holds
several habits at once, for a run takes seconds.
"""

import known_mistakes as notebooks
import pytest
import torch
from known_mistakes import ROOT, code_cell
from ways_of_grading import as_in_a_class, by_nbval

from attnbook.grading.isolation.apart import Examiner
from attnbook.grading.isolation.limits import Limits
from attnbook.grading.isolation.sandbox import support
from attnbook.grading.notebook.release import known_releases
from attnbook.judging.exercise import Exercise

torch.set_num_threads(1)
pytestmark = pytest.mark.xdist_group("honest notebooks")

LOOKUP, SCALED = "00-soft-lookup", "03-scaled-dot-product"

# Before the imports. No machine has the third line's module, so the last is
# run for nothing but itself.
BEFORE_IMPORTS = """\
from google.colab import drive, files, output
drive.mount("/content/drive"); output.enable_custom_widget_manager()
from nothing_of_this_name import as_it_came
import itertools
"""
ALONE = (
    "Only the notebook is graded: neither files beside it nor packages that "
    "the course does not need are there."
)
MODULE = """\
%%writefile my_helpers.py
def as_it_is(function):
    return function
"""

# What is added to the right answers, by solution cell.
HABITS = {
    LOOKUP: {
        # A module that a cell has written.
        "00-softmax-vjp-answer": """\
from my_helpers import as_it_is
softmax_vjp = as_it_is(softmax_vjp)
""",
        # Numbers of more digits than most.
        "00-predict-answer": """\
assert itertools
predict_in_short = predict
def predict(question):
    return np.longdouble(predict_in_short(question))
""",
        "00-epanechnikov-regression-answer": """\
regression = epanechnikov_regression
def epanechnikov_regression(*inputs):
    return tuple(x.astype(np.longdouble) for x in regression(*inputs))
""",
    },
    SCALED: {
        # A compiler is a program, and none can be started.
        "03-sink-attention-answer": """\
sink_attention = torch.compile(sink_attention, fullgraph=True)
""",
        # A breakpoint that was forgotten; tensors of a class of one's own.
        "03-packed-attention-answer": """\
class Named(torch.Tensor):
    pass
plain_attention = packed_attention
def packed_attention(*inputs):
    breakpoint()
    return tuple(x.as_subclass(Named) for x in plain_attention(*inputs))
""",
        # Gradients by torch.func, though they are turned off elsewhere.
        "03-judge-answer": """\
torch.set_grad_enabled(False)
def judge(attention):
    torch.manual_seed(0)
    query, key = torch.randn(3, 4, 6), torch.randn(3, 5, 6)
    value, direction = torch.randn(3, 5, 2), torch.randn(3, 4, 6)
    mask = torch.arange(5) < torch.tensor([[5], [3], [0]])  # (B, S)
    def there_and_back(attention):
        def output(query, key, value):
            return attention(query, key, value, mask)[0]
        _, tangent = torch.func.jvp(
            lambda query: output(query, key, value), (query,), (direction,)
        )
        slopes = torch.func.grad(
            lambda *inputs: output(*inputs).square().sum(), (0, 1, 2)
        )(query, key, value)
        return output(query, key, value), tangent, *slopes
    found = zip(there_and_back(attention), there_and_back(trusted))
    return all(
        one.shape == other.shape and torch.allclose(one, other, atol=1e-4)
        for one, other in found
    )
""",
    },
}


def solved(chapter, *first):
    """Return a notebook with right answers and all habits."""
    content, left = notebooks.solved(chapter), dict(HABITS[chapter])
    for cell in content["cells"]:
        source = "".join(cell["source"])
        added = left.pop(notebooks.grade_id_of(cell), "")
        cell["source"] = f"{source}\n{added}"
        if cell["id"] == "imports":
            cell["source"] = BEFORE_IMPORTS + source
    assert not left
    for n, source in enumerate(first):
        content["cells"].insert(n, code_cell(source, f"first-{n}"))
    return content


@pytest.fixture(scope="module")
def examiners():
    """The graders of classes, by exercise."""
    releases, _ = known_releases(ROOT / "exercises", ROOT / "none.ipynb")
    isolation = "bubblewrap" if support().ok else "none"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Exercise, "secret_seed", None)  # they set their own
        with (
            Examiner(releases[LOOKUP], Limits(), isolation, 2020) as one,
            Examiner(releases[SCALED], Limits(), isolation, 2020) as other,
        ):
            yield {LOOKUP: one, SCALED: other}


@pytest.fixture
def both(examiners, warm, tmp_path):
    """Return a function that grades a notebook in both ways."""

    def grade(chapter, content):
        examiner = examiners[chapter]
        return (
            by_nbval(content, tmp_path, chapter),
            as_in_a_class(content, examiner.release, examiner),
        )

    return grade


@pytest.mark.parametrize("chapter", HABITS)
def test_a_right_answer_keeps_its_points_whatever_stands_around_it(
    both, chapter
):
    for report in both(chapter, solved(chapter, MODULE)):
        missed = [r for r in report.results if r.points < r.out_of]
        assert report.points == report.out_of == 20, missed
        assert [note for note in report.notes if "failed" in note] == [
            "Cell 4 failed: ModuleNotFoundError: No module named "
            f"'nothing_of_this_name'. {ALONE}"
        ]


def test_the_cell_that_failed_is_named_where_it_is_missed(both):
    content = solved(LOOKUP, MODULE)
    for cell in content["cells"]:
        if notebooks.grade_id_of(cell) == "00-softmax-vjp-answer":
            cell["source"] += """\
def softmax_vjp(*inputs, **more):
    return as_it_came(inputs)
"""
    for report in both(LOOKUP, content):
        missed = [r for r in report.results if r.points == 0]
        assert {r.grade_id for r in missed} == {
            r.grade_id
            for r in report.results
            if r.grade_id.startswith("00-softmax-vjp-")
        }
        for result in missed:
            assert result.message.endswith(
                "\n`as_it_came` is not defined, because cell 4 failed.\n"
                "ModuleNotFoundError: No module named "
                f"'nothing_of_this_name'. {ALONE}"
            )
        assert not [note for note in report.notes if "failed" in note]


def test_that_no_process_can_be_started_is_told(sandbox, examiners):
    tries = (
        "import os\nos.fork()",
        "import subprocess\nsubprocess.run(['true'])",
        "import multiprocessing\nmultiprocessing.Pool(2)",
        "import torch.utils.data as data\n"
        "list(data.DataLoader([1, 2], num_workers=1))",
    )
    content = solved(LOOKUP, MODULE, *tries)
    examiner = examiners[LOOKUP]
    report = as_in_a_class(content, examiner.release, examiner)
    assert report.points == 20
    for n in range(2, 2 + len(tries)):
        assert (
            f"Cell {n} failed: PermissionError: [Errno 1] Operation not "
            "permitted. No other programs or processes can be started while "
            "it is graded"
        ) in report.notes
