"""What is said of a wrong answer that nobody foresaw."""

from attnbook.judging.exercise import Diagnosis


def assert_told_by_its_numbers(diagnosis: Diagnosis) -> None:
    """The answer is rejected, with the first entry that differs."""
    assert diagnosis.kind == "value"
    assert diagnosis.mistake is None
    assert "should be" in diagnosis.message
    assert "yours is" in diagnosis.message
