"""The files that a teacher copies, made from templates."""

from __future__ import annotations

from pathlib import Path

from attnbook.grading.systems.facts import Facts

# Where each file goes, below teaching/; its template, and what it is told.
_FILES: dict[str, tuple[str, dict]] = {
    "classroom50/autograder.py": ("autograder.py", {}),
    "container/Containerfile": ("Containerfile", {}),
    "github/grade.yml": ("grade.yml", {}),
    "github/grade-class.yml": ("grade-class.yml", {}),
    "gradescope/run_autograder": ("run_autograder", {}),
    "gradescope/setup.sh": ("setup.sh", {}),
    "kubernetes/grade-class.yaml": ("grade-class.yaml", {"sandbox": True}),
    "kubernetes/grade-class-no-sandbox.yaml": (
        "grade-class.yaml",
        {"sandbox": False},
    ),
    "nbgrader/nbgrader_config.py": ("nbgrader_config.py", {}),
}
_PROGRAMS = ("gradescope/run_autograder", "gradescope/setup.sh")


def made(facts: Facts) -> dict[str, str]:
    """Return the text of each file, by its path below ``teaching/``."""
    # Loaded here, as nobody who grades a notebook needs it.
    import jinja2

    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("attnbook.grading.systems"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        # Workflows are full of ${{ }}.
        variable_start_string="[[",
        variable_end_string="]]",
        block_start_string="[%",
        block_end_string="%]",
        comment_start_string="[#",
        comment_end_string="#]",
    )
    return {
        path: templates.get_template(f"{template}.j2").render(
            course=facts, **more
        )
        for path, (template, more) in _FILES.items()
    }


def write_all(facts: Facts, folder: Path) -> list[Path]:
    """Write each file below ``folder``; return the paths that changed."""
    changed = []
    for path, text in made(facts).items():
        target = folder / path
        if _says(target, text) and _is_as_executable(target, path):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8", newline="\n")
        target.chmod(_mode(path))
        changed.append(target)
    return changed


def compare_all(facts: Facts, folder: Path) -> list[str]:
    """Say what differs between ``folder`` and what would be written."""
    differences = []
    texts = made(facts)
    for path, text in texts.items():
        target = folder / path
        if not target.exists():
            differences.append(f"{target} is missing.")
        elif not _says(target, text):
            line = _first_difference(text, target.read_text("utf-8"))
            differences.append(f"{target}, line {line}, is not as made.")
        elif not _is_as_executable(target, path):
            differences.append(f"{target} must be executable.")
    for sub in sorted({Path(path).parent for path in texts}):
        for target in sorted((folder / sub).glob("*")):
            if target.relative_to(folder).as_posix() not in texts:
                differences.append(f"{target} is made by no template.")
    return differences


def _says(target: Path, text: str) -> bool:
    return target.exists() and target.read_bytes() == text.encode()


def _mode(path: str) -> int:
    return 0o755 if path in _PROGRAMS else 0o644


def _is_as_executable(target: Path, path: str) -> bool:
    return bool(target.stat().st_mode & 0o100) == (path in _PROGRAMS)


def _first_difference(made_text: str, found: str) -> int:
    lines, others = made_text.split("\n"), found.split("\n")
    for number, (one, other) in enumerate(zip(lines, others, strict=False)):
        if one != other:
            return number + 1
    return min(len(lines), len(others)) + 1
