"""Formgrader, as a teacher uses it."""

from __future__ import annotations

from playwright.sync_api import Page

PATIENCE = 60_000  # milliseconds, for what waits for the server


class FormgraderPage:
    """Formgrader in a browser, at an exercise of one notebook."""

    def __init__(self, page: Page, address: str, exercise: str) -> None:
        self.page = page
        self.address = f"{address}/formgrader"
        self.exercise = exercise
        page.set_default_timeout(PATIENCE)

    def assignments(self) -> list[str]:
        """Return the assignments that its first page lists."""
        self.page.goto(self.address)
        links = self.page.locator("tbody .name a")
        links.first.wait_for()
        return links.all_inner_texts()

    def students(self) -> set[str]:
        """Return the ids of all students, also those of no use."""
        self.page.goto(f"{self.address}/manage_students")
        cells = self.page.locator("tbody .id")
        cells.first.wait_for()
        return set(cells.all_inner_texts())

    def totals(self) -> dict[str, str]:
        """Return the score of each submission that can be read, by student.

        As *Manual Grading* lists them, with the names shown.
        """
        self.page.goto(f"{self.address}/gradebook")
        for _ in range(2):  # the assignment, then its only notebook
            self.page.get_by_role("link", name=self.exercise).last.click()
        self._show_names()
        rows = self.page.locator("tbody tr")
        texts = [text.split("\t") for text in rows.all_inner_texts()]
        return {text[1].strip(): text[2].strip() for text in texts}

    def _show_names(self) -> None:
        self.page.locator("tbody a").first.wait_for(state="attached")
        self.page.get_by_role("button", name="Show All Names").click()

    def open(self, student: str) -> None:
        """Open a student's submission, and wait until it is there."""
        place = f"gradebook/{self.exercise}/{self.exercise}"
        self.page.goto(f"{self.address}/{place}")
        self._show_names()
        self.page.get_by_role("link", name=student, exact=True).click()
        self.page.wait_for_function(
            "window.formgrader?.grades?.loaded && formgrader.comments.loaded"
        )

    def points(self) -> dict[str, tuple[str, str, str]]:
        """Return of each graded cell: by the check, by hand, and the most."""
        found = self.page.locator("input.score").evaluate_all(
            "inputs => inputs.map(input => [input.id, input.placeholder,"
            " input.value, input.nextSibling.textContent])"
        )
        return {
            name: (check, hand, most.strip(" /\n"))
            for name, check, hand, most in found
        }

    def comments(self) -> dict[str, tuple[str, str]]:
        """Return of each answer what the check said, and a person."""
        found = self.page.locator("textarea.comment").evaluate_all(
            "areas => areas.map(area => [area.id, area.placeholder,"
            " area.value])"
        )
        return {
            name.removesuffix("-comment"): (check, person)
            for name, check, person in found
        }

    def give(self, cell: str, points: str) -> None:
        """Enter points for a graded cell."""
        self._enter(f"input.score[id='{cell}']", points)

    def comment(self, cell: str, text: str) -> None:
        """Enter a comment on an answer."""
        self._enter(f"textarea.comment[id='{cell}-comment']", text)

    def _enter(self, place: str, text: str) -> None:
        with self.page.expect_response(
            lambda answer: answer.request.method == "PUT"
        ) as saved:
            self.page.locator(place).fill(text)
            self.page.keyboard.press("Escape")
        assert saved.value.ok
