"""Grading of one exercise notebook, of a class, and the release of both.

``python -m attnbook.grading NOTEBOOK`` grades one notebook by nbval;
``python -m attnbook.grading class SUBMISSIONS …`` a class, each submission in
a sandbox. :mod:`attnbook.grading.__main__` lists the other commands.

Six floors; every import goes down. The docstring of a wing lists its modules.

=====  =================================================================
floor  what stands there
=====  =================================================================
6      ``__main__``: the commands
5      ``classroom/``: the command for a class, from files to results;
       ``doctor`` tries the corpus on this machine
4      ``records/``: from results to grades, tables, pages, gradebook;
       ``systems/``: files for other systems; ``hostile/``: the corpus of
       hostile submissions
3      ``grade``: from cells to points and messages
2      ``isolation/``: the student's process and the pipe to it;
       ``intake/``: who handed in what, in every layout
1      ``notebook/``: one notebook, read, released, put together, run;
       ``report``: a grade as text, JSON, JUnit, HTML; ``arguments``
=====  =================================================================

One notebook is graded in a process that it shares with the checks: grade your
own so, or people you trust. For a class, ``isolation/`` takes the place of
``notebook/running``, and the student's code runs elsewhere.

A Canvas zip is opened by ``intake/archives``, and the names in it are read by
``intake/file_names``; what a submission may use up is set in
``isolation/limits``; a result is written by ``records/results``, and the
grades made of all results by ``records/publish``.
"""
