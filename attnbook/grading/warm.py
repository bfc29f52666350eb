"""Makes ready what every student's process needs; the zygote imports it.

Nothing here runs a backward pass: torch refuses one in a fork of a process
that has run one.
"""

import torch
import torch.func
import torch.utils.flop_counter

from attnbook.grading import student

torch.set_num_threads(1)
student.prepare()
