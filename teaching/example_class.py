"""The example class: twelve made-up submissions of one exercise.

``python -m teaching.example_class`` writes them into
``teaching/example-class/``, from the released notebook and the answers
below; ``--check`` only says what differs, and ends with 1 if anything does.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXERCISE = "03-scaled-dot-product"
FOLDER = ROOT / "teaching" / "example-class"

PREDICT = '''\
def predict(question):
    """Return your prediction for a question, "a" to "g", as a number."""
    return {
        "a": 8,
        "b": 3,
        "c": 1 / 16,
        "d": 0.982,
        "e": 0.562,
        "f": 2.079,
        "g": 8,
    }[question]
'''
VARIANCES = PREDICT.replace('"a": 8', '"a": 64')

PACKED = '''\
def packed_attention(query, key, value, query_document, key_document):
    """Return output (B, H, T, d_v) and weights (B, H, T, S)."""
    T, S = query.shape[2], key.shape[2]
    scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    past = torch.ones(T, S, dtype=torch.bool).tril(S - T)
    same = query_document[:, :, None] == key_document[:, None, :]
    allowed = past & same & (key_document > 0)[:, None, :]
    weights = masked_softmax(scores, allowed[:, None])
    return weights @ value, weights
'''
PACKED_BY_POSITION = '''\
def packed_attention(query, key, value, query_document, key_document):
    """Return output (B, H, T, d_v) and weights (B, H, T, S)."""
    asked, kept = query.size(2), key.size(2)
    here = torch.arange(kept - asked, kept)[:, None]  # (T, 1)
    not_later = torch.arange(kept) <= here  # (T, S)
    document = query_document.unsqueeze(2)  # (B, T, 1)
    mask = not_later & (document == key_document.unsqueeze(1))
    mask = mask & (document != 0)
    logits = torch.einsum("bhtd,bhsd->bhts", query, key)
    logits = logits / math.sqrt(query.size(-1))
    weights = masked_softmax(logits, mask.unsqueeze(1))
    return torch.einsum("bhts,bhsd->bhtd", weights, value), weights
'''
PACKED_LARGE_NEGATIVE = PACKED.replace(
    "weights = masked_softmax(scores, allowed[:, None])",
    "weights = scores.masked_fill(~allowed[:, None], -1e9).softmax(-1)",
)

SINK = '''\
def sink_attention(query, key, value, sink, mask):
    """Return output (B, H, T, d_v) and weights (B, H, T, S)."""
    scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    scores = scores.masked_fill(~mask[:, None, None, :], float("-inf"))
    last = sink.view(1, -1, 1, 1).expand(*scores.shape[:3], 1)
    weights = torch.cat([scores, last], -1).softmax(-1)[..., :-1]
    return weights @ value, weights
'''
SINK_LOGSUMEXP = '''\
def sink_attention(query, key, value, sink, mask):
    """Return output (B, H, T, d_v) and weights (B, H, T, S)."""
    logits = torch.einsum("bhtd,bhsd->bhts", query, key)
    logits = logits / math.sqrt(query.size(-1))
    hidden = mask.logical_not()[:, None, None]
    logits = logits.masked_fill(hidden, -math.inf)
    total = torch.logsumexp(logits, dim=-1, keepdim=True)
    whole = torch.logaddexp(total, sink[:, None, None])
    weights = (logits - whole).exp()
    return torch.einsum("bhts,bhsd->bhtd", weights, value), weights
'''
SINK_OVERFLOWS = '''\
def sink_attention(query, key, value, sink, mask):
    """Return output (B, H, T, d_v) and weights (B, H, T, S)."""
    scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    powers = scores.exp() * mask[:, None, None, :]
    below = sink.exp()[:, None, None] + powers.sum(-1, keepdim=True)
    weights = powers / below
    return weights @ value, weights
'''
SINK_TYPO = SINK.replace('float("-inf"))', 'float("-inf")')

JUDGE = '''\
def judge(attention):
    """Return True if the attention is right, False if it is not."""
    torch.manual_seed(3)
    shapes = (3, 4, 6), (3, 5, 6), (3, 5, 2)
    inputs = [torch.randn(shape, requires_grad=True) for shape in shapes]
    mask = torch.arange(5) < torch.tensor([[5], [2], [0]])
    mine, right = (f(*inputs, mask)[0] for f in (attention, trusted))
    if mine.shape != right.shape or not mine.requires_grad:
        return False
    found, wanted = (
        torch.autograd.grad((x**2).sum(), inputs, allow_unused=True)
        for x in (mine, right)
    )
    same = torch.allclose(mine, right, atol=1e-5)
    return same and all(
        a is not None and torch.allclose(a, b, atol=1e-4)
        for a, b in zip(found, wanted, strict=True)
    )
'''
JUDGE_NO_GRADIENT = '''\
def judge(attention):
    """Return True if the attention is right, False if it is not."""
    torch.manual_seed(1)
    query, key = torch.randn(3, 4, 6), torch.randn(3, 5, 6)
    value = torch.randn(3, 5, 2)
    mask = torch.arange(5) < torch.tensor([[5], [3], [0]])
    output, expected = (
        f(query, key, value, mask)[0] for f in (attention, trusted)
    )
    return torch.allclose(output, expected, atol=1e-5)
'''
JUDGE_ALWAYS = '''\
def judge(attention):
    """Return True if the attention is right, False if it is not."""
    return True
'''

SPARSEMAX = '''\
def sparsemax_attention(query, key, value, mask):
    """Return output (B, H, T, d_v) and weights (B, H, T, S)."""
    scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    allowed = mask[:, None, None, :].expand_as(scores)
    empty = ~allowed.any(-1, keepdim=True)
    scores = scores.masked_fill(~allowed, float("-inf")).masked_fill(empty, 0)
    z = scores.sort(-1, descending=True).values
    sums = z.cumsum(-1)
    k = torch.arange(1, scores.shape[-1] + 1)
    size = (1 + k * z > sums).sum(-1, keepdim=True)
    tau = (sums.gather(-1, size - 1) - 1) / size
    weights = (scores - tau).clamp(min=0).masked_fill(empty, 0)
    return weights @ value, weights
'''
SPARSEMAX_FOREVER = '''\
def sparsemax_attention(query, key, value, mask):
    """Return output (B, H, T, d_v) and weights (B, H, T, S)."""
    scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    tau = scores.amax(-1, keepdim=True) - 1
    weights = (scores - tau).clamp(min=0)
    while not (weights.sum(-1) == 1).all():
        tau = tau + 1e-3
        weights = (scores - tau).clamp(min=0) * mask[:, None, None]
    return weights @ value, weights
'''


# Other names for the same things, as who copies an answer gives them.
_OTHER_NAMES = {
    "logits": "energy",
    "asked": "n",
    "kept": "m",
    "here": "rows",
    "not_later": "causal",
    "document": "docs",
    "hidden": "padding",
    "total": "inner",
    "whole": "norm",
}


def renamed(source: str) -> str:
    """Write an answer with other names."""
    for name, other in _OTHER_NAMES.items():
        source = re.sub(rf"\b{name}\b", other, source)
    return source


RIGHT = {
    "03-predict-answer": PREDICT,
    "03-packed-attention-answer": PACKED,
    "03-sink-attention-answer": SINK,
    "03-judge-answer": JUDGE,
    "03-sparsemax-attention-answer": SPARSEMAX,
}
OTHERWISE = {
    **RIGHT,
    "03-packed-attention-answer": "import math\n\n\n" + PACKED_BY_POSITION,
    "03-sink-attention-answer": SINK_LOGSUMEXP,
}

# What each hands in, by the grade_id of the cell; {} is the release as it is.
STUDENTS: dict[str, Mapping[str, str]] = {
    "student-01": RIGHT,
    "student-02": OTHERWISE,
    "student-03": {
        key: RIGHT[key] for key in list(RIGHT)[:3]
    },
    "student-04": {
        **RIGHT, "03-packed-attention-answer": PACKED_LARGE_NEGATIVE,
    },
    "student-05": {
        **RIGHT,
        "03-sink-attention-answer": SINK_OVERFLOWS,
        "03-judge-answer": JUDGE_NO_GRADIENT,
    },
    "student-06": {},
    "student-07": {key: renamed(text) for key, text in OTHERWISE.items()},
    "student-08": {
        **RIGHT, "03-sparsemax-attention-answer": SPARSEMAX_FOREVER,
    },
    "student-09": {
        **RIGHT,
        "03-judge-answer": JUDGE_ALWAYS,
        # A graded cell, written over.
        "03-judge-scale": (
            'print("✓ Repair a grader that cannot fail: 4 of 4")'
        ),
    },
    "student-11": {**RIGHT, "03-sink-attention-answer": SINK_TYPO},
    "student-12": {
        **RIGHT,
        "03-predict-answer": VARIANCES,
        "03-packed-attention-answer": PACKED_LARGE_NEGATIVE,
        "03-judge-answer": JUDGE_NO_GRADIENT,
    },
}  # fmt: skip
CUT_SHORT = "student-10"  # whose upload broke off

# The deadline of the teachers' page is the end of 1 November.
LATE = {"student-05": "2026-11-02T09:30", "student-12": "2026-11-04T20:00"}


def times() -> str:
    """Return the table of who handed in when; two are late."""
    lines = ["student,submitted"]
    for student in sorted([*STUDENTS, CUT_SHORT]):
        time = LATE.get(student, "2026-11-01T18:00")
        lines.append(f"{student},{time}+01:00")
    return "\n".join(lines) + "\n"


def notebook(answers: Mapping[str, str], exercise: str = EXERCISE) -> str:
    """Return the released notebook with these answers in it.

    Parameters
    ----------
    answers
        Sources, by the grade_id of the cell that they stand in.
    exercise
        Name of the release.

    Raises
    ------
    KeyError
        When the release has no cell of that grade_id.
    """
    path = ROOT / "exercises" / f"{exercise}.ipynb"
    content = json.loads(path.read_text("utf-8"))
    cells = {
        cell["metadata"].get("nbgrader", {}).get("grade_id"): cell
        for cell in content["cells"]
    }
    for grade_id, source in answers.items():
        cells[grade_id]["source"] = source.rstrip("\n").splitlines(True)
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def files() -> dict[Path, str]:
    """Return the text of each file of the class, by its path."""
    place = FOLDER / "submissions"
    made = {
        place / student / f"{EXERCISE}.ipynb": notebook(answers)
        for student, answers in STUDENTS.items()
    }
    whole = notebook(RIGHT)
    broken = place / CUT_SHORT / f"{EXERCISE}.ipynb"
    made[broken] = whole[: len(whole) // 2]
    made[FOLDER / "times.csv"] = times()
    return made


def main(arguments: list[str] | None = None) -> int:
    """Write the class, or compare it; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m teaching.example_class", description=__doc__
    )
    parser.add_argument(
        "--check", action="store_true", help="change nothing; say what differs"
    )
    is_check = parser.parse_args(arguments).check
    made = files()
    found = {path for path in FOLDER.rglob("*") if path.is_file()}
    differing = [
        path
        for path, text in made.items()
        if path not in found or path.read_text("utf-8") != text
    ]
    differing += found - set(made)
    for path in sorted(differing):
        print(path.relative_to(ROOT))
        if is_check:
            continue
        if path in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[path], "utf-8", newline="\n")
        else:
            path.unlink()
    if is_check and differing:
        print("These differ. Run `python -m teaching.example_class`.")
    return 1 if is_check and differing else 0


if __name__ == "__main__":
    sys.exit(main())
