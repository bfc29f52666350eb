"""What an exercise is, and how an answer to it is judged.

It knows no chapter: :mod:`attnbook.checks` says what is asked and what often
goes wrong, and hands it to an :class:`~attnbook.judging.exercise.Exercise`.
Each module knows those above it alone:

====================  ====================================================
``inspection``        an answer's code, exceptions and use of memory,
                      looked at where it runs; the only module that a
                      student's process sees
``sessions``          which answers run in another process
``comparison``        values, and how they differ in words
``parts``             cases, properties, known mistakes
``conditions``        what an answer may not use or disturb
``watching``          what an answer takes, besides what it returns
``outcomes``          what comes of a call, and whether two agree
``running``           runs an answer on a case, on a property
``troubles``          what is wrong, and the words that say it
``matching``          which known mistake it is
``messages``          the message as a learner reads it
``scoreboard``        points so far
``exercise``          all of it: one exercise, checked and diagnosed
``soundness``         whether an exercise keeps its promises
====================  ====================================================

Beside them stands what exercises are written with: ``fresh_cases`` (cases
drawn anew), ``predictions`` (questions answered by a number),
``named_mistakes`` (mistakes by a keyword), ``planted_bugs`` and
``unrepaired`` (drafts to repair), ``masked_weights`` (the usual mistakes of a
mask), ``later_queries`` (causality by perturbation), ``tables_of_pairs`` (no
table of all pairs), ``attention_inputs`` and ``tensors`` (inputs in PyTorch).
"""
