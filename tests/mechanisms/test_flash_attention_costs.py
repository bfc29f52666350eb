"""FLOPs and traffic of attention in tiles, counted otherwise."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from attnbook.mechanisms.flash_attention import (
    Tiling,
    attainable,
    backward_cost,
    forward_cost,
    tiled_attention,
)


def counted(call):
    """FLOPs of the matrix products, as PyTorch counts them."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


@pytest.mark.parametrize("options", [{}, {"causal": True, "window": 10}])
@pytest.mark.parametrize(("d_k", "d_v"), [(8, 8), (6, 10)])
def test_pytorch_counts_the_same_flops(d_k, d_v, options):
    torch.manual_seed(0)
    shapes = (20, d_k), (40, d_k), (40, d_v)
    inputs = [torch.randn(1, 1, *shape) for shape in shapes]
    tiling = Tiling(20, 40, 8, 16, **options)
    forward = counted(
        lambda: tiled_attention(*inputs, tile=(8, 16), **options)
    )
    assert forward == forward_cost("tiled", tiling, d_k, d_v).flops
    for x in inputs:
        x.requires_grad_()
    output, _ = tiled_attention(*inputs, tile=(8, 16), **options)
    backward = counted(lambda: output.sum().backward())
    assert backward == backward_cost("tiled", tiling, d_k, d_v).flops


def test_a_dense_table_has_the_flops_of_its_four_products():
    torch.manual_seed(0)
    query, key, value = (torch.randn(40, 8) for _ in range(3))
    leaves = [x.requires_grad_() for x in (query, key, value)]

    def dense():
        return (query @ key.T).softmax(-1) @ value

    tiling = Tiling(40, 40, 8, 8)
    assert counted(dense) == forward_cost("dense", tiling, 8, 8).flops
    output = dense()
    backward = counted(lambda: torch.autograd.grad(output.sum(), leaves))
    assert backward == backward_cost("dense", tiling, 8, 8).flops


def test_tiles_do_a_quarter_more_in_training_and_move_less():
    tiling, d = Tiling(4096, 4096, 128, 128), 64
    there = [forward_cost(form, tiling, d, d) for form in ("dense", "tiled")]
    back = [backward_cost(form, tiling, d, d) for form in ("dense", "tiled")]
    assert there[0].flops == there[1].flops
    assert back[1].flops == 1.25 * back[0].flops
    for dense, tiled in (there, back):
        assert tiled.numbers < dense.numbers / 2


def test_larger_tiles_of_queries_read_the_keys_less_often():
    costs = [
        forward_cost("tiled", Tiling(1024, 1024, rows, 64), 64, 64)
        for rows in (16, 64, 256)
    ]
    assert costs[0].numbers > costs[1].numbers > costs[2].numbers
    assert costs[0].flops == costs[2].flops


def test_the_roof_is_a_slope_and_then_flat():
    assert attainable(2.0, peak=100.0, bandwidth=10.0) == 20.0
    assert attainable(50.0, peak=100.0, bandwidth=10.0) == 100.0


def test_another_form_is_refused():
    with pytest.raises(ValueError, match="expected one of"):
        forward_cost("sparse", Tiling(4, 4), 2, 2)
