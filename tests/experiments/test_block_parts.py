"""The study of the parts of today's block, at a reduced size."""

import numpy as np
import pytest

from attnbook.experiments import block_parts, table
from attnbook.experiments.text_models import text


def test_every_design_changes_one_part_or_all():
    changed = {
        name: [
            part
            for part, value in vars(design).items()
            if value != getattr(block_parts.BLOCK_2018, part)
        ]
        for name, design in block_parts.DESIGNS.items()
    }
    assert changed.pop("block of 2018") == []
    whole, but_one = changed.pop("all"), changed.pop("all but tied")
    assert len(whole) == 6 and set(whole) - set(but_one) == {"tied"}
    assert sorted(part for (part,) in changed.values()) == sorted(whole)


@pytest.mark.parametrize("width", [32, block_parts.WIDTH])
def test_all_designs_have_as_many_parameters(width):
    sizes = [
        block_parts.parameters(
            block_parts.equal_in_size(design, 0, text(512), width)
        )
        for design in block_parts.DESIGNS.values()
    ]
    assert max(sizes) / min(sizes) < 1.01


def test_the_table_has_three_seeds_of_each_design_at_its_best_rate():
    rows, tried = table("block_parts"), table("block_rates")
    assert {row["design"] for row in rows} == set(block_parts.DESIGNS)
    for name in block_parts.DESIGNS:
        of_design = [row for row in rows if row["design"] == name]
        assert len({row["seed"] for row in of_design}) >= 3
        losses = {
            row["rate"]: row["validation"]
            for row in tried
            if row["design"] == name
        }
        (rate,) = {row["rate"] for row in of_design}
        assert len(losses) >= 3
        assert rate == min(losses, key=losses.__getitem__)
        assert min(losses) < rate < max(losses)
    assert len({row["python"] for row in [*rows, *tried]}) == 1
    assert len({row["steps"] for row in [*rows, *tried]}) == 1
    sizes = [row["parameters"] for row in rows]
    assert max(sizes) / min(sizes) < 1.01


# -- what the committed table says -------------------------------------------


def held_out(name):
    """Bits per byte of each seed."""
    return [
        row["held-out"]
        for row in table("block_parts")
        if row["design"] == name
    ]


def test_rotary_positions_pay_and_so_does_the_whole_but_for_tying():
    base = held_out("block of 2018")
    for name in ("rotary", "all but tied"):
        assert max(held_out(name)) < min(base) - 0.05


def test_no_other_part_alone_is_better_than_the_block_of_2018():
    base = np.mean(held_out("block of 2018"))
    for name in ("RMSNorm", "SwiGLU", "QK-norm", "no biases"):
        assert min(held_out(name)) > base - 0.02
    for name in ("RMSNorm", "QK-norm", "no biases"):
        assert abs(np.mean(held_out(name)) - base) < 0.04


def test_together_the_parts_are_better_than_rotary_positions_alone():
    assert max(held_out("all but tied")) < min(held_out("rotary")) - 0.03


def test_tied_embeddings_lose_at_this_size():
    assert min(held_out("tied")) > max(held_out("block of 2018")) + 0.03
    assert min(held_out("all")) > max(held_out("all but tied")) + 0.03


# -- the study at a reduced size ---------------------------------------------


def test_today_s_block_is_ahead_at_a_reduced_size_too():
    of = text(512)
    bits = {
        name: block_parts.measure(name, 8e-3, 5, of, steps=100, width=32)
        for name in ("block of 2018", "all but tied")
    }
    today, then = bits["all but tied"], bits["block of 2018"]
    assert today["held-out"] < then["held-out"] - 0.05
