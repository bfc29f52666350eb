"""Derivatives that come by themselves are taken away, whichever way."""

import pytest
import torch
from torch.autograd import forward_ad

from attnbook.judging import inspection
from attnbook.judging.derivatives import AUTOMATIC
from attnbook.judging.exercise import Case, Exercise


def cubes(x):
    return (x**3).sum()


def _backwards(x):
    x = x.detach().requires_grad_()
    cubes(x).backward()
    return x.grad


def _by_duals(x):
    slopes = []
    for along in torch.eye(len(x)):
        with forward_ad.dual_level():
            dual = forward_ad.make_dual(x, along)
            slopes.append(forward_ad.unpack_dual(cubes(dual)).tangent)
    return torch.stack(slopes)


def _linearized(x):
    _, along = torch.func.linearize(cubes, x)
    return torch.stack([along(row) for row in torch.eye(len(x))])


WAYS = {
    "grad": lambda x: torch.func.grad(cubes)(x),
    "grad and value": lambda x: torch.func.grad_and_value(cubes)(x)[0],
    "vjp": lambda x: torch.func.vjp(cubes, x)[1](torch.ones(()))[0],
    "jvp": lambda x: torch.stack(
        [torch.func.jvp(cubes, (x,), (e,))[1] for e in torch.eye(len(x))]
    ),
    "jacrev": lambda x: torch.func.jacrev(cubes)(x),
    "jacfwd": lambda x: torch.func.jacfwd(cubes)(x),
    "hessian": lambda x: torch.func.hessian(lambda y: (y**4 / 4).sum())(
        x
    ).diagonal(),
    "linearize": _linearized,
    "backward": _backwards,
    "duals": _by_duals,
    "functional": lambda x: torch.autograd.functional.jacobian(cubes, x),
    "functional, forwards": lambda x: torch.autograd.functional.jacobian(
        cubes, x, vectorize=True, strategy="forward-mode"
    ),
}


@pytest.fixture(scope="module")
def by_hand():
    return Exercise(
        "99-slope",
        "The slope of a sum of cubes",
        points=1,
        reference=lambda x: 3 * x**2,
        cases=[Case("three numbers", (torch.tensor([1.0, 2.0, 3.0]),))],
        mistakes=[],
        forbidden=AUTOMATIC,
    )


@pytest.mark.parametrize("way", WAYS)
def test_a_derivative_that_comes_by_itself_is_refused(way, by_hand):
    assert "taken away" in str(by_hand.diagnose(WAYS[way]))
    # Neither before nor afterwards.
    assert WAYS[way](torch.ones(2)).shape == (2,)


def test_one_by_hand_is_taken(by_hand):
    assert by_hand.diagnose(lambda x: x * x + 2 * x**2) is None


def test_the_names_stand_for_something():
    for name in AUTOMATIC:
        owner, attribute = inspection.resolved(name)
        assert callable(getattr(owner, attribute))
