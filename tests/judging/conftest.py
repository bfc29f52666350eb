"""Every test of judging begins as a notebook does: no case is drawn anew."""

from __future__ import annotations

import pytest

from attnbook.judging.exercise import Exercise


@pytest.fixture(autouse=True)
def no_seed_is_left(monkeypatch):
    """Tests of a class set one for as long as their process lives."""
    monkeypatch.setattr(Exercise, "secret_seed", None)
