"""The course in the systems that teachers use.

``python -m attnbook.grading systems`` writes what a teacher copies, into
``teaching/``, from the templates here and from what the course says in one
place: its address, its exercises with their points, its pinned actions.
``systems --check`` only compares.

================  ========================================================
``facts``         what the course says of itself
``making``        the files, from the templates and the facts
``command``       the command
``nbgrader``      the folder of an nbgrader course, from ``solutions/``
``submitted``     the exercise notebooks in a folder, and their grades
``markdown``      a grade as GitHub shows it
``github``        what a student's workflow runs
``classroom50``   what Classroom 50's autograder runs
``gradescope``    what Gradescope's autograder runs
``surroundings``  what a system tells the grader, and not the code it grades
================  ========================================================

What runs at GitHub, Classroom 50 and Gradescope grades in the student's own
repository or container. What it says is feedback: the grade of record is the
teacher's own run.
"""
