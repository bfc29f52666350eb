"""Values that were changed in place over there, changed here, too."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


def plain(value: Any) -> Any:
    """Cut the tensors in arguments off from their graph."""
    if isinstance(value, torch.Tensor):
        return value.detach()
    if isinstance(value, (list, tuple)):
        return type(value)([plain(item) for item in value])
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def overwrite(old: Any, new: Any) -> Any:
    """Change a value in place into another; return what now stands there."""
    if isinstance(old, torch.Tensor) and isinstance(new, torch.Tensor):
        if old.shape == new.shape and old.dtype == new.dtype:
            if not torch.equal(old, new):
                old.detach().copy_(new)
        else:
            old.data = new
        return old
    if isinstance(old, np.ndarray) and isinstance(new, np.ndarray):
        if old.shape != new.shape or old.dtype != new.dtype:
            return new
        old[...] = new
        return old
    if type(old) is list and type(new) is list:
        kept = [
            overwrite(old[i], item) if i < len(old) else item
            for i, item in enumerate(new)
        ]
        old[:] = kept
        return old
    if type(old) is dict and type(new) is dict:
        kept = {
            key: overwrite(old[key], item) if key in old else item
            for key, item in new.items()
        }
        old.clear()
        old.update(kept)
        return old
    if type(old) is tuple and type(new) is tuple and len(old) == len(new):
        for one, other in zip(old, new, strict=True):
            overwrite(one, other)
        return old
    return new
