"""Grading of one exercise notebook, of a class, and the release of both.

``python -m attnbook.grading NOTEBOOK`` grades one notebook by nbval;
``python -m attnbook.grading class SUBMISSIONS …`` a class, each submission in
a sandbox. :mod:`attnbook.grading.__main__` lists the other commands.

One notebook, in the order in which it passes the parts:

====================  ====================================================
``notebook``          reads any file that claims to be a notebook
``release``           makes the released notebooks, finds the one meant
``assemble``          learner's cells, with the graded cells restored
``changes``           what the learner changed besides the answers
``running``           runs the cells by nbval, goes on after a crash
``nbval_plugin``      what is known of each cell, inside that run
``grade``             from cells to points and messages
``report``            terminal, JSON, JUnit, HTML
====================  ====================================================

There the code shares a process with the checks: grade your own, or people
you trust. For a class, :mod:`apart` takes the place of ``running``:

====================  ====================================================
``apart``             runs cells: the student's there, graded cells here
``remote``            the names of the notebook, from the other process
``student``           the student's process: runs cells, answers calls
``bridge``            calls across the pipe, and gradients back
``wire``              plain data over a socket, in bounds
``errors``            exceptions across the pipe
``measures``          what a call takes, measured where it runs
``warm``              what every student's process needs, imported once
``limits``            what a submission may use up
``sandbox/``          bubblewrap, the zygote, what a child gives up
====================  ====================================================

The command ``class``, from a folder of files to a file for each result:

====================  ====================================================
``submissions``       who handed in what; with ``by_student``,
                      ``choosing``, ``places``, ``archives``,
                      ``file_names``, ``commit_times``
``classes``           the command; with ``planning`` (what is still to be
                      graded), ``workers``, ``progress``
``results``           the result of one submission, as a file
``runs``              the record, the secret and the lock of a run
``fingerprints``      digests of what a grade hangs on
``shards``            shares of a class; ``merging`` joins their results
====================  ====================================================

From results to all that is read (``publish``):

====================  ====================================================
``grades``            checks, points by hand, lateness together
``late``, ``points``  deadlines; the command for points by hand
``gradebook``         nbgrader's; ``autograded``: notebooks beside it
``tables``            CSV and JSON, Canvas, Moodle; ``formulas``
``class_page``        pages of class and students; ``templates/``
``similarity``        which submissions are alike
====================  ====================================================

Beside these stand ``systems/`` (files for other systems), ``hostile/`` (the
corpus of hostile submissions) and ``doctor``, which tries it on a machine.
"""
