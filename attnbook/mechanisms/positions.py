"""Where a token stands: sinusoids, learned rows, biases, rotations.

Vaswani et al. (2017), section 3.5; Raffel et al. (2020), section 2.1; Press et
al. (2022), section 3; Su et al. (2021), section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from attnbook.mechanisms.shapes import broadcast, require


def sinusoidal(
    length: int, d_model: int, base: float = 10_000.0, start: int = 0
) -> Tensor:
    """Sines and cosines of the position, to be added to the embeddings.

    Vaswani et al. (2017), section 3.5: feature 2i is a sine and feature 2i + 1
    a cosine of the position times base^(-2i / d_model).

    Args:
        length: number of positions, T.
        d_model: number of features, even.
        base: ratio between the longest wavelength, 2π·base at the limit, and
            the shortest, 2π positions.
        start: the first position.

    Returns:
        (length, d_model), in torch's default dtype.

    Raises:
        ValueError: if a size is not positive, or d_model odd.
    """
    _require_size("length", length)
    _require_even(
        "d_model", d_model, "because each frequency takes a sine and a cosine"
    )
    position = torch.arange(start, start + length, dtype=torch.float64)
    angle = position[:, None] * _frequencies(d_model, base)  # (T, D / 2)
    pairs = torch.stack([angle.sin(), angle.cos()], dim=-1)  # (T, D / 2, 2)
    return pairs.flatten(-2).to(torch.get_default_dtype())  # (T, D)


class LearnedPositions(nn.Module):
    """One trained vector a position, to be added to the embeddings.

    Gehring et al. (2017), section 3.1; Vaswani et al. (2017), table 3, row E.
    A position that never occurs in training keeps its initial vector.

    Args:
        max_length: number of positions that there are vectors for.
        d_model: number of features.
        std: standard deviation of the initial vectors.

    Raises:
        ValueError: if a size is not a positive integer.
    """

    def __init__(self, max_length: int, d_model: int, std: float = 0.02):
        super().__init__()
        _require_size("max_length", max_length)
        _require_size("d_model", d_model)
        self.vectors = nn.Parameter(torch.randn(max_length, d_model) * std)

    def forward(self, length: int, start: int = 0) -> Tensor:
        """Vectors of `length` positions from `start` on: (length, D).

        Raises:
            ValueError: if the table ends before the last position.
        """
        _check_rows(start, length, len(self.vectors))
        return self.vectors[start : start + length]


class RelativeBias(nn.Module):
    """One trained number for each head and distance, added to the scores.

    Raffel et al. (2020), section 2.1, without their logarithmic buckets; a
    distance beyond `max_distance` counts as `max_distance`, as in Shaw et al.
    (2018), section 3.2. Starts at zero.

    Args:
        num_heads: H.
        max_distance: the greatest distance with a number of its own.

    Raises:
        ValueError: if a size is not a positive integer.
    """

    def __init__(self, num_heads: int, max_distance: int):
        super().__init__()
        _require_size("num_heads", num_heads)
        _require_size("max_distance", max_distance)
        self.max_distance = max_distance
        self.table = nn.Parameter(torch.zeros(num_heads, 2 * max_distance + 1))

    def forward(self, T: int, S: int, start: int = 0) -> Tensor:
        """Bias of T queries, the first at `start`, on S keys: (H, T, S)."""
        offset = _offsets(T, S, start).to(self.table.device)
        limit = self.max_distance
        return self.table[:, offset.clamp(-limit, limit) + limit]


def alibi_slopes(num_heads: int) -> Tensor:
    """Slope of each head's linear bias: a geometric sequence, (H,).

    Press et al. (2022), section 3: 2^(-8/H), 2^(-16/H), …, 2^(-8). Where H is
    no power of two, the slopes of the power of two below, then every other
    slope of the power above, as in the authors' code.

    Raises:
        ValueError: if num_heads is not a positive integer.
    """
    _require_size("num_heads", num_heads)
    below = 1 << (num_heads.bit_length() - 1)
    slopes = [2 ** (-8 * (h + 1) / below) for h in range(below)]
    rest = [2 ** (-8 * (h + 1) / (2 * below)) for h in range(0, below * 2, 2)]
    return torch.tensor(slopes + rest[: num_heads - below])


def alibi_bias(num_heads: int, T: int, S: int, start: int = 0) -> Tensor:
    """Minus slope times distance, to be added to the scores: (H, T, S).

    Press et al. (2022), section 3. Theirs is for causal attention, where keys
    lie behind the query; here keys ahead are as far as those behind.

    Args:
        num_heads: H.
        T: number of queries.
        S: number of keys, at positions 0 to S - 1.
        start: position of the first query.

    Raises:
        ValueError: if a size is not a positive integer.
    """
    distance = _offsets(T, S, start).abs()
    return -alibi_slopes(num_heads)[:, None, None] * distance


def rope_angles(positions: Tensor, d_k: int, base: float = 10_000.0) -> Tensor:
    """Angle by which each pair of features turns at each position.

    Su et al. (2021), section 3.2.2: pair i turns by position times
    base^(-2i / d_k). In float64, because position times frequency is large
    where what matters is the rest of a whole turn.

    Args:
        positions: (..., T); they need be neither integers nor in order.
        d_k: number of features of a head, even.
        base: as in `sinusoidal`.

    Returns:
        (..., T, d_k / 2), radians, float64.

    Raises:
        ValueError: if d_k is not a positive even number.
    """
    _require_even("d_k", d_k, "because features turn in pairs")
    frequencies = _frequencies(d_k, base).to(positions.device)
    return positions.to(torch.float64)[..., None] * frequencies


def rotate(x: Tensor, angles: Tensor, interleaved: bool = True) -> Tensor:
    """Turn each pair of features by its angle: RoPE.

    Su et al. (2021), equations 15 and 34. Applied to queries and to keys, but
    not to values.

    Args:
        x: (..., T, d_k).
        angles: (T, d_k / 2), radians, or any shape that broadcasts to
            (..., T, d_k / 2).
        interleaved: True pairs feature 2i with 2i + 1, as the paper does;
            False pairs i with i + d_k / 2, as GPT-NeoX and Llama do in Hugging
            Face's code.

    Returns:
        Of the shape and dtype of x.

    Raises:
        ValueError: if the shapes do not fit.
    """
    _check_turn(x, angles)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    if interleaved:
        first, second = x[..., 0::2], x[..., 1::2]
    else:
        first, second = x.chunk(2, dim=-1)
    turned = (first * cos - second * sin, first * sin + second * cos)
    if interleaved:
        return torch.stack(turned, dim=-1).flatten(-2)  # (..., T, d_k)
    return torch.cat(turned, dim=-1)  # (..., T, d_k)


def halves_order(d_k: int) -> Tensor:
    """Order of features that takes interleaved pairs to split halves: (d_k,).

    `rotate(x, a)[..., order]` is `rotate(x[..., order], a, False)`: all the
    first features of a pair, then all the second.

    Raises:
        ValueError: if d_k is not a positive even number.
    """
    _require_size("d_k", d_k, least=2)
    if d_k % 2:
        raise ValueError(f"d_k is {d_k}; expected an even number")
    return torch.arange(d_k).reshape(-1, 2).T.flatten()


def _frequencies(size: int, base: float) -> Tensor:
    """Radians a position of each pair of features: (size / 2,), float64."""
    if not base > 1:
        raise ValueError(f"base is {base!r}; expected a number above 1")
    pair = torch.arange(0, size, 2, dtype=torch.float64)
    return base ** (-pair / size)


def _offsets(T: int, S: int, start: int = 0) -> Tensor:
    """Position of the query less that of the key: (T, S), integers."""
    _require_size("T", T)
    _require_size("S", S)
    query = torch.arange(start, start + T)
    return query[:, None] - torch.arange(S)


def _require_size(name: str, size: int, least: int = 1) -> None:
    if not isinstance(size, int) or isinstance(size, bool) or size < least:
        raise ValueError(
            f"{name} is {size!r}; expected an integer of {least} or more"
        )


def _require_even(name: str, size: int, why: str) -> None:
    _require_size(name, size)
    if size % 2:
        raise ValueError(f"{name} is {size}; expected an even number, {why}")


def _check_rows(start: int, length: int, rows: int) -> None:
    """Raise a ValueError if the table ends before the last position."""
    if start + length > rows:
        raise ValueError(
            f"positions {start} to {start + length - 1} were asked for; "
            f"the table holds 0 to {rows - 1}: build it with a larger "
            "max_length, and train on inputs of that length"
        )


def _check_turn(x: Tensor, angles: Tensor) -> None:
    """Raise a ValueError unless each pair of features has its angle."""
    d_k = x.shape[-1] if x.ndim else 0
    require(
        x.ndim >= 2 and d_k % 2 == 0,
        "x",
        x.shape,
        "(..., T, d_k) with d_k even, because features turn in pairs",
    )
    half = (*x.shape[:-1], d_k // 2)
    require(
        broadcast(angles.shape, half) == half,
        "angles",
        angles.shape,
        f"({x.shape[-2]}, {d_k // 2}), one angle for each position and pair, "
        "or a shape that broadcasts to "
        f"{half}",
    )
