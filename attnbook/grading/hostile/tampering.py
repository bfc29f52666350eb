"""Notebooks whose cells, metadata or order were tampered with."""

from __future__ import annotations

import copy

from attnbook.grading.hostile.kind import RIGHT, Draft, Kind

_GRADED, _ANSWER = "03-packed-attention-two", "03-packed-attention-answer"
_SUCCESS = 'print("✓ Repair the masks of packed documents: 4 of 4 points")'


def _edit(draft: Draft) -> None:
    draft.write(_GRADED, _SUCCESS)


def _unlock(draft: Draft) -> None:
    draft.write(_GRADED, "4")
    cell = draft.cell(_GRADED)
    cell["metadata"].update(editable=True, deletable=True)
    draft.marks(_GRADED).update(locked=False, grade=True, solution=True)


def _delete(draft: Draft) -> None:
    draft.cells.remove(draft.cell(_GRADED))


def _duplicate(draft: Draft) -> None:
    double = copy.deepcopy(draft.cell(_GRADED))
    double.update(id="double", source=_SUCCESS)
    draft.cells.append(double)


def _move_up(draft: Draft) -> None:
    draft.move("03-sink-attention", before="03-sink-attention-answer")
    draft.move(_GRADED, before=_ANSWER)


def _turn_round(draft: Draft) -> None:
    draft.cells.reverse()


def _raise_points(draft: Draft) -> None:
    draft.marks("03-sink-attention")["points"] = 400
    draft.marks(_GRADED)["points"] = -4
    draft.marks("03-judge")["points"] = "NaN"


def _swap_names(draft: Draft) -> None:
    right, wrong = draft.marks("03-sink-attention"), draft.marks(_GRADED)
    right["grade_id"], wrong["grade_id"] = wrong["grade_id"], right["grade_id"]


def _spoil_metadata(draft: Draft) -> None:
    for name in (_GRADED, "03-sink-attention", "03-judge"):
        draft.marks(name).update(
            checksum="0" * 32, schema_version=1, task=True, cell_type="raw"
        )
    draft.cell("03-predict")["metadata"]["nbgrader"] = ["not", "a", "dict"]


def _add_graded(draft: Draft) -> None:
    marks = {
        "grade": True,
        "grade_id": "03-bonus",
        "locked": True,
        "points": 100,
        "schema_version": 3,
        "solution": False,
        "task": False,
    }
    draft.insert("100", metadata={"nbgrader": marks})


def _skip(draft: Draft) -> None:
    draft.write(_GRADED, "# NBVAL_SKIP\nchecks.check_packed_attention(None)")
    for name in (_ANSWER, _GRADED):
        tags = ["raises-exception", "nbval-skip", "skip-execution"]
        draft.cell(name)["metadata"]["tags"] = tags


def _as_text(draft: Draft) -> None:
    draft.cell(_GRADED)["cell_type"] = "markdown"
    draft.cell("03-judge")["cell_type"] = "raw"


def _other_checks(draft: Draft) -> None:
    draft.write(
        "imports",
        "import torch\nimport torch.nn.functional as F\n"
        "from attnbook.mechanisms.additive import masked_softmax\n\n\n"
        "class checks:\n"
        "    def __getattr__(self, name):\n"
        "        return print\n\n\n"
        "checks = checks()",
    )


def _other_exercise(draft: Draft) -> None:
    draft.content["metadata"]["attnbook"] = {"exercise": "00-soft-lookup"}
    draft.content["metadata"]["kernelspec"] = {
        "display_name": "bash",
        "language": "bash",
        "name": "../../bin/sh",
    }


def _lock_answer(draft: Draft) -> None:
    """Hand in the answer in a cell that has another's grade_id."""
    draft.write(_GRADED, RIGHT["03-scaled-dot-product"][
        "03-sink-attention-answer"
    ])  # fmt: skip
    draft.write("03-sink-attention-answer", "pass")


def _outputs(draft: Draft) -> None:
    cell = draft.cell(_GRADED)
    cell["execution_count"] = 1
    cell["outputs"] = [
        {
            "data": {"text/plain": "4.0"},
            "execution_count": 1,
            "metadata": {},
            "output_type": "execute_result",
        },
        {"name": "stdout", "output_type": "stream", "text": _SUCCESS[7:-2]},
    ]


KINDS = [
    Kind(
        "edited check",
        "Writes a print of the success line over a graded cell.",
        change=_edit,
        reports=(f"“{_GRADED}” (cell", "edited and was restored"),
    ),
    Kind(
        "unlocked check",
        "Unlocks a graded cell, makes it a solution and writes its points.",
        change=_unlock,
        reports=("edited and was restored",),
    ),
    Kind(
        "deleted check",
        "Deletes a graded cell whose answer is wrong.",
        change=_delete,
        reports=(f"“{_GRADED}” was missing and was restored",),
    ),
    Kind(
        "doubled check",
        "Adds a second copy of a graded cell, which only prints.",
        change=_duplicate,
        reports=("There are 2 copies of the graded cell",),
    ),
    Kind(
        "check before answer",
        "Moves graded cells before their answers.",
        change=_move_up,
    ),
    Kind(
        "cells turned round",
        "Hands in all cells in the opposite order, the imports last.",
        change=_turn_round,
        deserves={},
        reports=("put in another order",),
    ),
    Kind(
        "more points",
        "Sets the points of cells to 400, -4 and NaN.",
        change=_raise_points,
    ),
    Kind(
        "swapped names",
        "Swaps the grade_ids of a right answer's check and a wrong one's.",
        change=_swap_names,
        reports=("edited and was restored",),
    ),
    Kind(
        "spoilt metadata",
        "Writes rubbish into nbgrader's metadata and checksums.",
        change=_spoil_metadata,
    ),
    Kind(
        "bonus cell",
        "Adds a graded cell of 100 points.",
        change=_add_graded,
    ),
    Kind(
        "skipped check",
        "Marks cells with raises-exception, skip tags and # NBVAL_SKIP.",
        change=_skip,
        reports=("edited and was restored",),
    ),
    Kind(
        "check as text",
        "Turns graded cells into Markdown and raw cells.",
        change=_as_text,
    ),
    Kind(
        "other checks",
        "Imports checks of its own that accept everything.",
        change=_other_checks,
    ),
    Kind(
        "other exercise",
        "Claims to be an easier exercise, with a shell for a kernel.",
        change=_other_exercise,
    ),
    Kind(
        "answer in a locked cell",
        "Writes a right answer into a locked cell, where it is not taken.",
        change=_lock_answer,
        deserves={},
        reports=("edited and was restored",),
    ),
    Kind(
        "saved outputs",
        "Saves the output of a passed check in the notebook.",
        change=_outputs,
    ),
]
