"""A cache kept in 8 bits, with a mistake."""

from __future__ import annotations

import torch

# Over which axes a row runs, by those who choose others.
_OVER = {
    "one row for all": {"token": (0, 1, 2, 3), "channel": (0, 1, 2, 3)},
    "one row a text": {"token": (1, 2, 3), "channel": (1, 2, 3)},
    "one row a head": {"token": (2, 3), "channel": (2, 3)},
    "over the batch": {"token": (0, 3), "channel": (0, 2)},
    "heads together": {"token": (1, 3), "channel": (1, 2)},
    "channels over the batch": {"token": (3,), "channel": (0, 2)},
    "channels of all heads": {"token": (3,), "channel": (1, 2)},
    "exchanged axes": {"token": (2,), "channel": (3,)},
    "tokens alone": {"token": (3,), "channel": (3,)},
    "channels alone": {"token": (2,), "channel": (2,)},
    "over the heads": {"token": (1,), "channel": (1,)},
    "over axis 0": {"token": (3,), "channel": (0,)},
}


def _range(x, per, mistake):
    dims = _OVER.get(
        mistake.removesuffix(", expanded"), {"token": (3,), "channel": (2,)}
    )[per]
    lowest, highest = x.amin(dims, True), x.amax(dims, True)
    if mistake == "from 0":
        lowest = torch.zeros_like(lowest)
    elif mistake == "largest size":
        lowest, highest = -x.abs().amax(dims, True), x.abs().amax(dims, True)
    elif mistake == "mean for lowest":
        lowest = x.mean(dims, True)
    elif mistake == "from 0 if above":
        lowest = lowest.clamp(max=0)
        highest = highest.clamp(min=0)
    elif mistake == "three deviations":
        spread = x.std(dims, unbiased=False, keepdim=True)
        lowest = x.mean(dims, True) - 3 * spread
        highest = lowest + 6 * spread
    return lowest, highest


_LEVELS = {
    "256 steps": 256,
    "127 steps": 127,
    "254 steps": 254,
    "16 steps": 15,
    "128 steps": 128,
}


def _scale(lowest, highest, mistake):
    scale = (highest - lowest) / _LEVELS.get(mistake, 255)
    if mistake == "no guard":
        return scale
    guard = {
        "smallest scale": 1e-8,
        "a small scale": 1e-5,
        "a smaller scale": 1e-12,
        "a scale of 255": 1 / 255,
    }.get(mistake, 1.0)
    if mistake == "added":
        return scale + 1e-8
    if mistake == "added to the range":
        return (highest - lowest + 1e-6) / 255
    if mistake == "any row":
        return scale if (scale > 0).all() else torch.ones_like(scale)
    if mistake.startswith("below "):
        least = float(mistake.removeprefix("below "))
        return torch.where(scale < least, 1.0, scale)
    if mistake == "nearly the same":
        return torch.where(highest.isclose(lowest), 1.0, scale)
    if mistake == "always 1 at least":
        return scale.clamp(min=1.0)
    return torch.where(scale > 0, scale, guard).to(scale.dtype)


def _codes(x, lowest, scale, mistake, clamped=False):
    steps = (x - lowest) / scale
    if mistake == "divided, then subtracted":
        steps = x / scale - lowest / scale
    elif mistake == "lowest rounded":
        zero = (-lowest / scale).round()
        steps = (x / scale).round() + zero
    elif mistake == "middle":
        steps = steps - 128
    elif mistake == "lowest added":
        steps = (x + lowest) / scale
    elif mistake == "lowest not subtracted":
        steps = x / scale
    elif mistake == "upside down":
        steps = (lowest - x) / scale + 255
    if mistake in ("cut off", "cut, and errors of a step"):
        steps = steps.nan_to_num().floor()
    elif mistake == "rounded up":
        steps = steps.ceil()
    else:
        steps = steps.round()
    if mistake == "clamped at 127":
        steps = steps.clamp(-128, 127)
    if clamped:
        steps = steps.clamp(0, 255)
    return steps.nan_to_num().long() % 256


def _error(x, codes, scale, lowest, mistake):
    restored = codes * scale + lowest
    if mistake == "restored without lowest":
        restored = codes * scale
    elif mistake == "restored in 8 bits":
        restored = (codes * scale).long() % 256 + lowest
    elif mistake == "restored by another scale":
        restored = codes / 255 * scale + lowest
    elif mistake == "not rounded":
        restored = x
    off = (restored - x).abs()
    bound = (scale / 2).expand_as(x)
    return {
        "norm": lambda: off.square().sum((2, 3)).sqrt(),
        "mean of rows": lambda: off.amax(3).mean(2),
        "mean of channels": lambda: off.amax(2).mean(2),
        "mean": lambda: off.mean((2, 3)),
        "root mean square": lambda: off.square().mean((2, 3)).sqrt(),
        "squares": lambda: off.square().amax((2, 3)),
        "mean of squares": lambda: off.square().mean((2, 3)),
        "sum": lambda: off.sum((2, 3)),
        "signed": lambda: (restored - x).amax((2, 3)),
        "signed the other way": lambda: (x - restored).amax((2, 3)),
        "bound": lambda: bound.amax((2, 3)),
        "scale": lambda: 2 * bound.amax((2, 3)),
        "of all": lambda: off.amax(),
        "of all, for each": lambda: off.amax().expand(off.shape[:2]),
        "of a text, for each": lambda: off.amax((1, 2, 3))[:, None].expand(
            off.shape[:2]
        ),
        "of a token": lambda: off.amax(3),
        "of a channel": lambda: off.amax(2),
        "of a text": lambda: off.amax((1, 2, 3)),
        "of a head in all texts": lambda: off.amax((0, 2, 3)),
        "smallest": lambda: off.amin((2, 3)),
        "relative": lambda: off.amax((2, 3)) / x.abs().amax((2, 3)),
        "relative everywhere": lambda: (off / x.abs()).amax((2, 3)),
        "in steps": lambda: (off / scale).amax((2, 3)),
        "kept dimensions": lambda: off.amax((2, 3), keepdim=True),
        "each": lambda: off,
    }.get(mistake, lambda: off.amax((2, 3)))()


# How 8 bits with a sign, or from 0, are divided: steps, and what is added.
_AROUND_0 = {
    "127 a side, 128 added": (127, 128),
    "127 a side, 127 added": (127, 127),
    "127 a side": (127, 0),
    "255 from 0": (255, 0),
    "127.5 a side, 128 added": (127.5, 128),
}


def _around_0(x, per, mistake, clamped):
    """Codes for a range from -|x| to |x|."""
    steps, added = _AROUND_0[mistake]
    scale = x.abs().amax(-1 if per == "token" else -2, keepdim=True) / steps
    scale = torch.where(scale > 0, scale, 1.0)
    codes = (x / scale).round().long() + added
    if clamped:
        codes = codes.clamp(0, 255)
    codes, lowest = (codes % 256).to(torch.uint8), -added * scale
    error = (codes * scale + lowest - x).abs().amax((2, 3))
    return codes, scale, lowest, error


def mistaken(x, per, mistake):
    """Codes, scale, lowest and error, with a mistake."""
    clamped = mistake.endswith(", clamped")
    mistake = mistake.removesuffix(", clamped")
    if mistake in _AROUND_0:
        return _around_0(x, per, mistake, clamped)
    lowest, highest = _range(x, per, mistake)
    scale = _scale(lowest, highest, mistake)
    if mistake == "lowest 0 where flat":
        lowest = lowest.masked_fill(lowest == highest, 0.0)
    codes = _codes(x, lowest, scale, mistake, clamped)
    error = _error(x, codes, scale, lowest, mistake)
    if mistake == "codes in 7 bits":
        codes = codes // 2
    codes = codes.to(torch.uint8)
    if mistake.endswith("expanded"):
        wide = x[..., :1] if per == "token" else x[..., :1, :]
        scale, lowest = scale.expand_as(wide), lowest.expand_as(wide)
    if mistake == "all axes lost":
        return codes, scale.squeeze(), lowest.squeeze(), error
    if mistake == "axes lost":
        dim = 3 if per == "token" else 2
        return codes, scale.squeeze(dim), lowest.squeeze(dim), error
    if mistake == "inverse scale":
        return codes, 1 / scale, lowest, error
    if mistake == "range returned":
        return codes, highest - lowest, lowest, error
    if mistake == "highest returned":
        return codes, scale, highest, error
    if mistake == "zero point returned":
        return codes, scale, (-lowest / scale).round(), error
    if mistake == "scale and lowest exchanged":
        return codes, lowest, scale, error
    if mistake == "restored returned":
        return codes, scale, codes * scale + lowest, error
    if mistake == "numbers, not codes":
        return codes.float(), scale, lowest, error
    if mistake == "signed codes":
        return (codes.long() - 128).to(torch.int8), scale, lowest, error
    if mistake == "three results":
        return codes, scale, lowest
    if mistake == "error first":
        return error, codes, scale, lowest
    return codes, scale, lowest, error
