"""What computes a derivative by itself, for exercises that want it by hand."""

from __future__ import annotations

# To be forbidden together: a derivative can be had backwards, forwards, and
# by transforms of functions, which are one or the other underneath.
AUTOMATIC = (
    "torch.autograd.grad",
    "torch.autograd.backward",
    "torch.autograd.forward_ad.enter_dual_level",
    "torch.func.grad",
    "torch.func.grad_and_value",
    "torch.func.hessian",
    "torch.func.jacfwd",
    "torch.func.jacrev",
    "torch.func.jvp",
    "torch.func.linearize",
    "torch.func.vjp",
)
