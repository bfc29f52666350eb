"""The sandbox: where the code of a submission runs, and nothing else.

======================  ==================================================
``spawning``            the grader's side: starts a zygote, asks for
                        children, learns how they ended
``zygote``              the server inside the sandbox: has imported torch,
                        forks one child for each submission
``confinement``         what a child gives up before it runs any of the
                        submission's code
``bubblewrap``          the command line of bubblewrap
``system_calls``        the system calls that are left to a child
``pruned``              the copy of this package that a child sees
``support``             whether this machine can do all that, and if not,
                        what to do
======================  ==================================================

``zygote`` and ``confinement`` run inside the sandbox too, and import
nothing but the standard library and :mod:`attnbook.grading.isolation.limits`.
"""

from attnbook.grading.isolation.sandbox.spawning import (
    Child,
    SandboxError,
    Zygote,
)
from attnbook.grading.isolation.sandbox.support import Support, support

__all__ = ["Child", "SandboxError", "Support", "Zygote", "support"]
