"""The table of the roofline supports what chapter 10 says."""

from statistics import median

from attnbook.experiments import table
from attnbook.experiments.roofline import PUBLISHED, processor, run
from attnbook.mechanisms.flash_attention import (
    Tiling,
    attainable,
    forward_cost,
)


def measured(what, column="billions a second"):
    return median(
        row[column] for row in table("roofline") if row["what"] == what
    )


def test_the_table_has_three_runs():
    runs = [row["run"] for row in table("roofline") if row["what"] == "peak"]
    assert runs == [0, 1, 2]


def test_nothing_is_above_the_roof():
    peak, width = measured("peak"), measured("bandwidth")
    for form in ("dense", "tiled", "fused"):
        intensity = measured(form, "FLOPs per byte")
        assert measured(form) < attainable(intensity, peak, width)


def test_dense_attention_is_right_of_this_machines_ridge():
    ridge = measured("peak") / measured("bandwidth")
    assert ridge < 5 < measured("dense", "FLOPs per byte")


def test_the_parts_make_up_dense_attention():
    parts = measured("products alone", "ms") + measured("softmax alone", "ms")
    assert 0.8 < parts / measured("dense", "ms") < 1.1
    assert measured("products alone") < 0.6 * measured("peak")
    assert measured("fused") > 2 * measured("dense")


def test_accelerators_leave_dense_attention_little_of_their_peak():
    tiling = Tiling(8192, 8192, 128, 128)
    allowed = {}
    for name, machine in PUBLISHED.items():
        for form in ("dense", "tiled"):
            cost = forward_cost(form, tiling, 64, 64)
            peak = machine["flops"]
            allowed[name, form] = (
                attainable(cost.intensity(2), peak, machine["bandwidth"])
                / peak
            )
    assert {pair: round(share, 2) for pair, share in allowed.items()} == {
        ("A100", "dense"): 0.21,
        ("A100", "tiled"): 0.82,
        ("H100", "dense"): 0.11,
        ("H100", "tiled"): 0.43,
    }


def test_the_study_at_a_reduced_size_measures_everything():
    assert processor()
    rows = run(runs=[0], n=256, repeats=1)
    assert [row["what"] for row in rows] == [
        row["what"] for row in table("roofline") if row["run"] == 0
    ]
    assert all(row["machine"] == processor() for row in rows)
