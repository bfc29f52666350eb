"""What is seen at once is what would be said in words."""

import copy

import hypothesis.extra.numpy as arrays
import hypothesis.strategies as st
import numpy as np
import torch
from hypothesis import given

from attnbook.judging.comparison import copied, differences, plainly_near


class Named(torch.Tensor):
    """Nothing is plain of a tensor of another class."""


NUMBERS = st.sampled_from(
    [0.0, -0.0, 1.0, 1 + 5e-7, 1 + 2e-6, -1.0, 1e300, np.nan, np.inf, -np.inf]
)
SHAPES = st.sampled_from([(), (0,), (2,), (1, 2)])


@st.composite
def pairs(draw):
    """Two tensors, seldom of different types or shapes."""

    def one(shape, dtype):
        made = draw(arrays.arrays(np.float64, shape, elements=NUMBERS))
        with np.errstate(all="ignore"):
            return torch.from_numpy(np.array(made)).to(dtype)

    types = [torch.float64, torch.float32, torch.bfloat16]
    shape, dtype = draw(SHAPES), draw(st.sampled_from(types))
    is_alike = draw(st.integers(0, 9)) > 0
    return one(shape, dtype), one(
        shape if is_alike else draw(SHAPES),
        dtype if is_alike else draw(st.sampled_from(types)),
    )


@given(pairs(), st.sampled_from([0.0, 1e-6]))
def test_what_is_plain_is_what_the_words_say(pair, tolerance):
    expected, got = pair
    in_words = differences(expected, got.as_subclass(Named), "x", tolerance)
    near = plainly_near(expected, got, tolerance)
    assert near in (None, not in_words)
    assert bool(differences(expected, got, "x", tolerance)) == bool(in_words)


def test_a_copy_is_what_deepcopy_makes():
    base = torch.arange(6.0).reshape(2, 3)
    leaf = torch.ones(2, requires_grad=True)
    value = (base, base, base[:, 1], {"a": [leaf, np.ones(2)]}, "text")
    one, other = copied(value), copy.deepcopy(value)
    assert one[0] is one[1] is not base
    for mine, theirs in zip(one[:3], other[:3], strict=True):
        assert torch.equal(mine, theirs)
        assert mine.stride() == theirs.stride()
    assert one[3]["a"][0].requires_grad
    one[0].zero_()
    one[3]["a"][1][0] = 5
    assert base.sum() == 15
    assert value[3]["a"][1][0] == 1
