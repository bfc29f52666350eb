"""One notebook, in the order in which it passes the modules.

================  ========================================================
``read``          reads any file that claims to be a notebook
``release``       makes the released notebooks, finds the one meant
``assemble``      learner's cells, with the graded cells restored
``changes``       what the learner changed besides the answers
``colab``         stands in for ``google.colab`` where cells run
``running``       runs the cells by nbval, goes on after a crash
``nbval_plugin``  what is known of each cell, inside that run
================  ========================================================

From there :mod:`attnbook.grading.grade` goes on. What is run here shares a
process with the checks.
"""
