"""Work, bytes and seconds of a split model, and the line through times."""

from __future__ import annotations

import math

import pytest
import torch

from attnbook.mechanisms.across_machines import (
    chunks,
    costs,
    imbalance,
    places,
    work,
)
from attnbook.mechanisms.across_machines.costs import (
    NETWORK,
    NVLINK,
    SCALES,
    Link,
    Traffic,
)
from attnbook.mechanisms.across_machines.measures import fitted


@pytest.mark.parametrize("layout", ["contiguous", "zigzag"])
@pytest.mark.parametrize("R", [1, 2, 4])
def test_each_place_is_on_one_rank(R, layout):
    found = torch.cat([places(16, R, r, layout) for r in range(R)])
    assert sorted(found.tolist()) == list(range(16))


def test_zigzag_gives_each_rank_a_chunk_of_each_end():
    assert chunks(16, 4, 1, "zigzag") == [range(2, 4), range(12, 14)]
    assert chunks(16, 4, 1, "contiguous") == [range(4, 8)]


@pytest.mark.parametrize("layout", ["contiguous", "zigzag"])
@pytest.mark.parametrize("causal", [True, False])
def test_work_is_what_a_mask_allows(layout, causal):
    n, R = 16, 4
    mask = torch.ones(n, n).tril() if causal else torch.ones(n, n)
    found = work(n, R, layout, causal)
    assert found.sum() == mask.sum()
    for step in range(R):
        for rank in range(R):
            q = places(n, R, rank, layout)
            k = places(n, R, (rank - step) % R, layout)
            assert found[step, rank] == mask[q][:, k].sum()


@pytest.mark.parametrize("R", [2, 4, 8])
def test_the_busiest_rank_has_2_minus_1_over_r_or_an_equal_share(R):
    n = 4096
    busiest, in_step = imbalance(n, R, "contiguous")
    # Exact: (2 - 1/R + 1/n) / (1 + 1/n), a diagonal included.
    exact = (2 - 1 / R + 1 / n) / (1 + 1 / n)
    assert busiest == pytest.approx(exact, rel=1e-12)
    assert busiest == pytest.approx(2 - 1 / R, abs=1e-3)
    assert in_step == busiest  # the last rank is the slowest in each step
    assert imbalance(n, R, "zigzag") == (1, 1)


def test_with_whole_triangles_the_busiest_rank_has_2r_over_r_plus_1():
    found = work(64, 4, "contiguous", masked=True).sum(0).double()
    assert found.max() / found.mean() == 2 * 4 / 5
    found = work(64, 4, "zigzag", masked=True).sum(0)
    assert (found == found[0]).all()


def test_places_that_cannot_be_cut_are_refused():
    with pytest.raises(ValueError, match="multiple of 8"):
        places(12, 4, 0, "zigzag")
    with pytest.raises(ValueError, match="expected one of 'contiguous'"):
        places(12, 4, 0, "striped")


def test_a_sum_costs_twice_the_tensor_whatever_the_number_of_ranks():
    sent = [costs.all_reduce(10**6, R).sent / 4e6 for R in (2, 8, 1024)]
    assert sent == pytest.approx([1, 1.75, 2], rel=1e-2)


def test_exchanging_heads_sends_less_than_a_ring_from_two_ranks_on():
    for R in (2, 4, 8):
        ring = costs.ring_attention(4096, 512, R)
        heads = costs.attention_by_heads(4096, 512, R)
        # (3R - 2) · 2 against 8 · (R - 1) / R blocks of one tensor.
        ratio = (3 * R - 2) * 2 / (8 * (R - 1) / R)
        assert ring.sent / heads.sent == pytest.approx(ratio)
        assert ratio >= 2
    assert costs.ring_attention(4096, 512, 1) == Traffic(0, 0)
    assert costs.attention_by_heads(4096, 512, 1).sent == 0


def test_a_message_takes_latency_and_bytes_over_bandwidth():
    link = Link("x", 1e-3, 1e6, 1e9, "made up")
    both = Traffic(500, 1) + Traffic(500, 1) * 3
    assert both == Traffic(2000, 4)
    assert link.seconds(both) == pytest.approx(4e-3 + 2e-3)


@pytest.mark.parametrize("link", [NVLINK, NETWORK])
@pytest.mark.parametrize("scheme", SCALES)
def test_from_the_size_given_messages_take_no_longer_than_arithmetic(
    scheme, link
):
    def sends_longer(x):
        traffic, flops = SCALES[scheme].load(x, 8, 2)
        return link.seconds(traffic) > flops / link.flops

    x = costs.pays_from(scheme, link, 8)
    assert sends_longer(x - 1)
    assert not sends_longer(x)
    assert not sends_longer(4 * x)


def test_without_latency_the_sizes_are_those_on_paper():
    link = Link("x", 0, 50e9, 400e12, "made up")
    bytes_for_a_flop = 2 * link.flops / link.bandwidth  # 16,000
    R = 8
    on_paper = {
        "data": 2 * (R - 1) / R * bytes_for_a_flop / 6,
        "tensor": 8 * (R - 1) * bytes_for_a_flop / 72,
        "experts": 4 * (R - 1) / R * bytes_for_a_flop / 12,
        "ring": 2 * (3 * R - 2) * bytes_for_a_flop / 7,
        "heads": 8 * (R - 1) / R * bytes_for_a_flop / 7,
    }
    for scheme, x in on_paper.items():
        assert costs.pays_from(scheme, link, R) == pytest.approx(x, rel=1e-2)


def test_a_scheme_without_a_scale_and_a_single_rank_are_refused():
    with pytest.raises(ValueError, match="expected one of 'data', 'tensor'"):
        costs.pays_from("pipeline", NVLINK, 8)
    with pytest.raises(ValueError, match="two ranks or more"):
        costs.pays_from("data", NVLINK, 1)


def test_a_line_is_found_again_and_never_has_negative_parts():
    sizes = [16, 1024, 65536, 4194304]
    alpha, bandwidth = fitted(sizes, [2e-5 + s / 3e9 for s in sizes])
    assert (alpha, bandwidth) == pytest.approx((2e-5, 3e9))
    assert fitted([1, 2], [3.0, 3.0]) == pytest.approx((3, math.inf))
    assert fitted([1, 10], [0.1, 2.0])[0] == 0
    with pytest.raises(ValueError, match="two sizes or more"):
        fitted([16], [1.0])
