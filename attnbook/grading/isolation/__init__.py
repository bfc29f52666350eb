"""The student's process, and the pipe to it.

For a class, the student's cells run in a process of their own, in a sandbox;
the graded cells run here, in one that never runs a student's code. Names
that the graded cells take from the notebook stand here for objects over
there; each call goes over a socket, as plain data.

On the trusted side:

====================  ====================================================
``apart``             runs a notebook: the student's cells there, the
                      graded cells here
``remote``            the names of the notebook, from the other process
``memory``            how much memory a verdict may take
``sandbox/``          bubblewrap, the zygote, what a child gives up
====================  ====================================================

In the student's process:

====================  ====================================================
``student``           runs cells, answers calls
``transforms``        a call as a step that torch.func can look through
``warm``              what every student's process needs, imported once
====================  ====================================================

On both sides, so each is in :data:`.sandbox.pruned.TRAVELS`, as is
:mod:`attnbook.judging.inspection`, which looks at an answer where it runs:

====================  ====================================================
``limits``            what a submission may use up
``bounds``            how much may come over the pipe, and how deep
``wire``              what plain data is made of
``packing``           writes a value as plain data
``unpacking``         reads it, and refuses what no sender here writes
``channel``           messages over a socket, in order and in bounds
``objects``           whose an object is, and what can be done with it
``errors``            exceptions, described as data and made anew
``changes``           arguments that were changed in place over there
``gradients``         a call as a node of the graph on this side
``bridge``            calls across the pipe, and being called
====================  ====================================================
"""
