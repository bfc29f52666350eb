"""nbgrader's gradebook: what the grader writes into it, and reads from it.

The database is nbgrader's own, SQLite or any other that SQLAlchemy reaches,
so that formgrader and ``nbgrader export`` work on it. Everything goes in
within one transaction, and what is there already is not written again.

What a person enters in formgrader or with ``points`` is theirs: points,
extra credit, comments and the mark that somebody has to look are read here
and never changed by a regrade. A submission that could not be graded has no
automatic points and that mark, until it is graded or a person gives points.

Formgrader that is started in the folder of the grades finds this gradebook,
and the notebooks as graded below ``autograded/``, without being configured.

===============  =========================================================
``database``     its address; opened, made where there is none, committed
``book``         an exercise in it: points by hand, penalties
``assignment``   the exercise and its cells, from the release
``students``     who they are, and the ids that nbgrader bears
``submissions``  what they handed in, its points and messages
``rows``         ids of rows, and rows written where they differ
===============  =========================================================
"""

from __future__ import annotations
