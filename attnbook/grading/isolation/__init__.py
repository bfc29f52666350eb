"""The student's process, and the pipe to it."""
