"""Right answers to the exercises of chapter 05, in unusual words."""

import math

import torch


def table_of(rows, D, base=10_000.0, first=0):
    place = torch.arange(first, first + rows)
    angle = place[:, None] * base ** (-torch.arange(0, D, 2) / D)
    return torch.stack((angle.sin(), angle.cos()), -1).flatten(-2)


def distances(T, S):
    return (torch.arange(S - T, S)[:, None] - torch.arange(S)).abs()


def stretched(
    d, trained, wanted, kind, base=10_000.0, low=1.0, high=32.0, s=None
):
    s = s or max(1, wanted / trained)
    exponent = torch.arange(0, d, 2).double() / d
    rate = base**-exponent
    if kind == "interpolate":
        return rate / s
    if kind == "base":
        return (base * s ** (d / (d - 2))) ** -exponent
    keep = (trained * rate / (2 * math.pi) - low) / (high - low)
    keep = keep.clamp(0, 1)
    return keep * rate + (1 - keep) * rate / s


def by_complex_numbers(embedded, offset=0, base=10_000.0):
    T, D = embedded.shape[1:]
    rate = torch.tensor([base ** (-2 * i / D) for i in range(D // 2)])
    angle = torch.outer(torch.arange(offset, offset + T).float(), rate)
    waves = torch.view_as_real(torch.polar(torch.ones_like(angle), angle))
    return embedded + waves.flip(-1).flatten(-2)


def into_a_table_of_zeros(embedded, offset=0, base=10_000.0):
    _, T, D = embedded.shape
    table = torch.zeros(T, D)
    rate = torch.exp(torch.arange(0, D, 2) * (-math.log(base) / D))
    angle = (torch.arange(T) + offset).unsqueeze(1) * rate
    table[:, 0::2], table[:, 1::2] = torch.sin(angle), torch.cos(angle)
    return embedded + table.unsqueeze(0)


def with_where(weights, query_mask):
    T, S = weights.shape[-2:]
    far = [[abs(S - T + t - j) for j in range(S)] for t in range(T)]
    found = weights * torch.tensor(far)
    found = torch.where(query_mask[:, None, :, None], found, 0)
    return found.sum((0, 2, 3)).div(query_mask.count_nonzero())


def sentence_by_sentence(weights, query_mask):
    far = distances(*weights.shape[-2:])
    rows = [
        (one * far).sum(-1)[:, real]
        for one, real in zip(weights, query_mask, strict=True)
    ]
    return torch.cat(rows, 1).double().mean(1)


def feature_by_feature(x, row, column, base=100.0):
    d = x.shape[-1]
    features = []
    for i in range(d // 2):
        place = row if i < d // 4 else column
        angle = place * base ** (-4 * (i % (d // 4)) / d)
        u, v = x[..., 2 * i], x[..., 2 * i + 1]
        features.append(u * angle.cos() - v * angle.sin())
        features.append(u * angle.sin() + v * angle.cos())
    return torch.stack(features, -1)


def with_partners(x, row, column, base=100.0):
    half = x.shape[-1] // 2
    rate = torch.exp(torch.arange(0, half, 2) * (-math.log(base) / half))
    places = torch.stack((row, column), 1).float()  # (L, 2)
    angle = (places[:, :, None] * rate).flatten(1).repeat_interleave(2, -1)
    partner = torch.empty_like(x)
    partner[..., 0::2], partner[..., 1::2] = -x[..., 1::2], x[..., 0::2]
    return x * angle.cos() + partner * angle.sin()


def in_single_precision(
    d, trained, wanted, kind, base=10_000.0, low=1.0, high=32.0
):
    s = wanted / trained if wanted > trained else 1.0
    exponent = -torch.arange(d // 2) * 2 / d
    if kind == "base":
        return torch.tensor(base * s ** (d / (d - 2))).pow(exponent)
    rate = torch.tensor(float(base)).pow(exponent)
    if kind == "interpolate":
        return rate * (1 / s)
    turns = trained * rate / (2 * torch.pi)
    keep = (turns.clip(low, high) - low) / (high - low)
    return rate / s + keep * (rate - rate / s)


RIGHT = {
    "05-add-positions": (by_complex_numbers, into_a_table_of_zeros),
    "05-attention-distance": (with_where, sentence_by_sentence),
    "05-rotate-2d": (feature_by_feature, with_partners),
    "05-stretched-rates": (stretched, in_single_precision),
}
