"""The command for a class."""
