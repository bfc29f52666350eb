"""The bounds of the pipe: how much may come over it, and how deep.

What a student's process sends is held to these before it is used. What the
process itself may use up is in :mod:`attnbook.grading.isolation.limits`.
"""

# -- of a message -----------------------------------------------------------
MOST_HEADER = 8 * 2**20  # bytes of JSON
MOST_BODY = 64 * 2**20  # bytes of numbers

# -- of a value -------------------------------------------------------------
MOST_DEPTH = 32  # lists within lists
MOST_ITEMS = 200_000  # in one message
MOST_KEYS = 2_000  # of one dict: keys can be chosen so that all collide
MOST_BITS = 4_096  # of a whole number
LONGEST_DECIMAL = 100  # characters of a decimal number
LONGEST_TEXT = 200_000  # characters of a string
LONGEST_NAME = 80  # characters of a class or function

# -- of calls ---------------------------------------------------------------
MOST_NESTED = 40  # calls within calls
MOST_ITERATED = 10_000  # things that an iterator yields

# -- of exceptions ----------------------------------------------------------
LONGEST_ERROR = 4_000  # characters of an exception's text
LONGEST_PLACE = 500  # characters of the place where it was raised
MOST_CLASSES = 20  # that an exception descends from

# -- of classes made for names that are not known ---------------------------
MOST_KINDS = 500
