"""Makes ready what every student's process needs; the zygote imports it.

torch imports some of its parts when they are used for the first time. That
is done here once, so that no student's process has to. Nothing here runs a
backward pass: torch refuses one in a fork of a process that has run one.
"""

import os

import numpy.random  # noqa: F401, so that it is there
import torch
import torch.func
import torch.fx.experimental.symbolic_shapes  # a backward pass asks for it
import torch.utils.checkpoint
import torch.utils.flop_counter

from attnbook.grading.isolation import student


class _Same(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()


torch.set_num_threads(1)
# A function under `torch.compile` runs as it is: a compiler is a program, and
# none can be started.
os.environ["TORCHDYNAMO_DISABLE"] = "1"
student.prepare()
ones = torch.ones(2, 2, requires_grad=True)
repr(_Same.apply(ones).softmax(-1))
torch.einsum("ij,jk->ik", ones, ones)

# `torch.manual_seed` would note for each GPU, of which there is none here,
# who called it: that takes longer than most cells.
torch.cuda.manual_seed_all = student.nothing
