"""How each name of chapter 12 and of its mechanisms is called."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from attnbook.mechanisms.experts import Routing
from attnbook.mechanisms.experts import balance_loss as packaged


def _drawn(*shape):
    torch.manual_seed(4)
    return torch.randn(*shape, dtype=torch.float64)


def _scan(it):
    return it(-_drawn(13, 3).abs(), _drawn(13, 3))


def _route(it):
    bias = _drawn(5)
    return [*it(_drawn(7, 5), 2), *it(_drawn(7, 5), 1, bias)]


def _balance(it):
    probability = _drawn(9, 4).softmax(-1)
    index = probability.topk(2).indices
    if it is packaged:
        return it(Routing(index, probability, probability))
    return it(index, probability)


def _delta(it):
    q, k, v = _drawn(3, 11, 4)
    k, numbers = F.normalize(k, dim=-1), _drawn(2, 11)
    return list(it(q, k, v, numbers[0].sigmoid(), -numbers[1].abs()))


EXPERTS_AND_STATE_SPACES = {
    "route": _route,
    "balance_loss": _balance,
    "scan_loop": _scan,
    "scan_parallel": _scan,
    "scan_two_cumsums": _scan,
    "decay_matrix": lambda it: it(-_drawn(9).abs()),
    "delta_recurrent": _delta,
}
