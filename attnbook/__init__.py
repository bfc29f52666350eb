"""Attention from Scratch: the package that the notebooks import."""

__version__ = "0.1.0"
