"""Grading of one exercise notebook, and the release of exercises.

``python -m attnbook.grading NOTEBOOK`` grades; ``python -m attnbook.grading
release`` makes ``exercises/`` from ``solutions/``.

The parts, in the order in which a notebook passes them:

========================  ================================================
``notebook``              reads any file that claims to be a notebook
``release``               makes the released notebooks, finds the one meant
``assemble``              learner's cells, with the graded cells restored
``running``               runs the cells by nbval, goes on after a crash
``nbval_plugin``          what is known of each cell, inside that run
``grade``                 from cells to points and messages
``report``                terminal, JSON, JUnit, HTML
========================  ================================================

A notebook is run here with the rights of whoever grades it, and its code
shares a process with the checks: grade your own, or people you trust.
"""
