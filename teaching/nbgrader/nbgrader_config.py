# The configuration of an nbgrader course with the exercises of
# https://github.com/OWNER/attention-from-scratch
#
# nbgrader runs student code with your rights, in one process with the checks:
# take its scores as feedback. The grade of record is your own run of the class
# grader, whose gradebook nbgrader's formgrader shows too.
#
# Lay the course out once, in the checkout of attention-from-scratch:
#   python -m attnbook.grading systems --nbgrader-course COURSE
# then in COURSE, where nbgrader and the package attnbook are installed:
#   nbgrader generate_assignment NAME     release/NAME, to hand out
#   nbgrader autograde NAME               grades submitted/STUDENT/NAME
#   nbgrader generate_feedback NAME       feedback/STUDENT/NAME
# The names:
#   00-soft-lookup             20 points
#   01-additive-attention      20 points
#   02-luong-attention         20 points
#   03-scaled-dot-product      20 points
#   04-multi-head-attention    20 points
#   05-positions               20 points
#   06-transformer             20 points
#   07-decoder-only            20 points
#   08-sharing-heads           20 points
#   09-long-context            20 points
#   10-flash-attention         20 points
#   11-encoders-and-modalities 20 points
#   12-experts-and-state-spaces 20 points
#
# Made by `python -m attnbook.grading systems`.
from pathlib import Path

c = get_config()  # noqa: F821

c.CourseDirectory.course_id = "attention-from-scratch"
c.CourseDirectory.root = str(Path(__file__).resolve().parent)

# What a student finds in place of a solution, as in exercises/.
c.ClearSolutions.code_stub = {
    "python": """\
# Your code goes here, in place of the next line.
raise NotImplementedError("write this part, then run the cell again")"""
}

# A graded cell that was deleted comes back; nbgrader leaves it away.
c.OverwriteCells.add_missing_cells = True

# Seconds for each cell, as the course's own grader allows.
c.ExecutePreprocessor.timeout = 60
c.ExecutePreprocessor.startup_timeout = 120
