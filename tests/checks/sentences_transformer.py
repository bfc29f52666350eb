"""Sentences of the exercises, and the case that fails for each."""

SENTENCES = {}
