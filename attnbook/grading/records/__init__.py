"""From the results of a class to all that is read.

==================  ======================================================
``results``         the result of one submission, as a file
``grades``          checks, points by hand, lateness together: the grade
``late``            deadlines, and what being late costs
``student_tables``  a teacher's tables: times, extensions, groups
``publish``         writes the grades, in all these forms
``tables``          CSV and JSON, Canvas, Moodle
``formulas``        cells that a spreadsheet would run, made harmless
``class_page``      pages of class and students, from ``templates/``
``similarity``      which submissions are alike
``gradebook/``      nbgrader's gradebook
``autograded``      the notebooks as graded, beside it
==================  ======================================================
"""
