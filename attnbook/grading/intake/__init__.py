"""Who handed in what, in every layout that teachers have.

=================  ========================================================
``submissions``    the submissions of a class, and how they are told
``by_student``     the layout (Canvas, Moodle, nbgrader, …), and whose is what
``choosing``       which of a student's notebooks is the one
``looking``        what a notebook is of, within bounds
``places``         a file on this disk: bounds, links, changes
``archives``       a zip: what lies in it, and reading a file out of it
``file_names``     what a name says of who handed it in; names fit to show
``attempt_names``  the same of Blackboard and Brightspace
``commit_times``   when a file of a repository was committed
``timestamps``     when nbgrader says that an assignment was handed in
=================  ========================================================
"""
