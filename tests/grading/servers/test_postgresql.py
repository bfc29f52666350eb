"""The gradebook on a PostgreSQL server, as it is in a file of SQLite."""

import re
import shutil
import signal
import time

import classroom
import nbgrader.api
import publishing_process
import pytest
from classroom import EXERCISE, a_class, arguments, equip, mark_of, start
from sqlalchemy import create_engine, inspect, select, text
from sqlalchemy.pool import NullPool

from attnbook.grading.classroom import classes, points
from attnbook.grading.records.publish import Options, PublishError, publish

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("postgresql")]

STUDENTS = 12
TOGETHER = 3  # times that two shares are published at once
APART = 2  # statements between two at which publishing is killed
RULES = (
    "--due", "2023-11-13T12:00Z", "--late-penalty", "10%",
)  # fmt: skip


def rows(database: str) -> dict[str, set]:
    """Return what stands in each table of nbgrader's, as Python has it."""
    engine = create_engine(database, poolclass=NullPool)
    with engine.connect() as connection:
        names = inspect(connection).get_table_names()
        found = {
            name: set(map(tuple, connection.execute(select(table))))
            for name, table in nbgrader.api.Base.metadata.tables.items()
            if name in names
        }
        if "alembic_version" in names:
            version = text("SELECT * FROM alembic_version")
            found["version"] = set(map(tuple, connection.execute(version)))
        return found


def by_nbgrader(database: str) -> list:
    """Return what formgrader and the exporters ask for."""
    with nbgrader.api.Gradebook(database) as book:
        found = [
            *book.student_dicts(),
            *book.submission_dicts(EXERCISE),
            *book.notebook_submission_dicts(EXERCISE, EXERCISE),
            book.average_assignment_score(EXERCISE),
        ]
    return sorted(map(repr, found))


def files(out) -> dict[str, str]:
    """Return the tables and pages that were published."""
    return {
        path.relative_to(out).as_posix(): re.sub(
            "(?:sqlite|postgresql)[^ <]*", "", path.read_text("utf-8")
        )
        for pattern in ("grades*", "*.html", "feedback/**/*.html")
        for path in out.glob(pattern)
    }


@pytest.fixture(scope="module", autouse=True)
def equipped():
    """Let the command use the toy chapter's examiner, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in classroom.REPLACED:
            patch.setattr(module, name, getattr(module, name))
        equip()
        yield


@pytest.fixture(scope="module")
def submissions(fresh, tmp_path_factory):
    return a_class(fresh, tmp_path_factory.mktemp("class") / "in", STUDENTS)


@pytest.fixture(scope="module")
def lines(course, submissions, tmp_path_factory):
    """Return what makes the command lines: of the whole, and of shares."""
    seed = tmp_path_factory.mktemp("seed") / "seed"
    seed.write_text("0123456789abcdef")

    def line(out, share="1/1", *more):
        return arguments(
            course, submissions, out, "--jobs", "1", "--seed", str(seed),
            "--shard", share, *RULES, *more,
        )  # fmt: skip

    return line


@pytest.fixture(scope="module")
def whole(lines, tmp_path_factory):
    """Grade the class; its gradebook is a file of SQLite."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert classes.main(lines(out)) == 0
    return out


@pytest.fixture(scope="module")
def shares(lines, tmp_path_factory):
    """Grade the class in two shares."""
    folder = tmp_path_factory.mktemp("shares")
    for share in ("1", "2"):
        assert classes.main(lines(folder / share, f"{share}/2")) == 0
    return folder / "1", folder / "2"


def in_a_file(out) -> str:
    return f"sqlite:///{out / 'gradebook.db'}"


def give(out, *more: str) -> None:
    """Give a student points by hand."""
    line = [
        str(out), "--student", "student-04", "--exercise", "00-halve",
        "--points", "3", "--reason", "Nearly.", *more,
    ]  # fmt: skip
    assert points.main(line) == 0


def test_the_grades_are_those_of_sqlite(whole, postgresql, tmp_path):
    file, server = (
        shutil.copytree(whole, tmp_path / name) for name in ("file", "server")
    )
    database = postgresql.new()
    publish(file, Options(database=in_a_file(file)))
    publish(server, Options(database=database))
    assert rows(database) == rows(in_a_file(file))
    give(file)
    give(server, "--database", database)
    assert rows(database) == rows(in_a_file(file))
    assert len(rows(database)["submitted_notebook"]) == STUDENTS
    assert by_nbgrader(database) == by_nbgrader(in_a_file(file))
    assert files(server) == files(file)
    assert "Nearly." in "".join(files(server).values())


def test_what_is_there_already_is_not_written_again(
    whole, postgresql, tmp_path
):
    out = shutil.copytree(whole, tmp_path / "out")
    database = postgresql.new()
    publish(out, Options(database=database))

    def written() -> dict[str, set]:
        """Return which transaction wrote each row."""
        engine = create_engine(database, poolclass=NullPool)
        with engine.connect() as connection:
            return {
                name: set(
                    connection.scalars(
                        text(f"SELECT ctid || ' ' || xmin FROM {name}")
                    )
                )
                for name in inspect(connection).get_table_names()
            }

    before = written()
    publish(out, Options(database=database))
    assert written() == before


@pytest.mark.parametrize("place", ["before the host", "after the name"])
def test_the_password_is_kept_nowhere(
    place, whole, postgresql, tmp_path, capsys
):
    out = shutil.copytree(whole, tmp_path / "out")
    database = postgresql.new()
    if place == "after the name":
        database = database.replace(f":{postgresql.password}@", "@")
        database += f"?password={postgresql.password}"
    published = publish(out, Options(database=database))
    assert postgresql.password not in published.database
    for path in out.rglob("*"):
        if path.is_file():
            assert postgresql.password.encode() not in path.read_bytes()
    assert points.main([str(out), "--list"]) == 2
    assert "give the whole address with --database" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"password": "guessed"}, "password authentication failed"),
        ({"database": "no_such"}, '"no_such" does not exist'),
        ({"port": 1}, "Connection refused"),
    ],
)
def test_a_server_that_cannot_be_used_is_said(
    wrong, told, whole, postgresql, tmp_path
):
    out = shutil.copytree(whole, tmp_path / "out")
    address = postgresql.address("postgres").set(**wrong)
    database = address.render_as_string(hide_password=False)
    with pytest.raises(PublishError, match=told) as error:
        publish(out, Options(database=database))
    assert address.password not in str(error.value)
    assert str(error.value).count("\n") == 0


# -- shares ------------------------------------------------------------------


@pytest.mark.parametrize("where", ["postgresql", "a file"])
def test_shares_that_are_published_at_once_make_the_whole(
    where, shares, whole, request, tmp_path
):
    expected = rows(in_a_file(whole))
    for number in range(TOGETHER):
        database = f"sqlite:///{tmp_path / str(number)}.db"
        if where == "postgresql":
            database = request.getfixturevalue("postgresql").new()
        starting = publishing_process.barrier(len(shares))
        processes = [
            publishing_process.start(share, database, starting)
            for share in shares
        ]
        for process in processes:
            process.join(60)
        assert [process.exitcode for process in processes] == [0, 0]
        assert rows(database) == expected


def test_publishing_that_is_killed_leaves_all_or_nothing(
    shares, whole, postgresql
):
    """Killed at one statement after another, and in the end not."""
    database = postgresql.new()
    seen, dies_at = [{}], 1
    while True:
        process = publishing_process.start(
            shares[0], database, dies_at=dies_at
        )
        process.join(60)
        found = rows(database)
        if found != seen[-1]:
            seen.append(found)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        dies_at += APART
    assert dies_at > 20 * APART
    # Nothing; the empty tables, with their version; then the course, which
    # nbgrader makes for itself; the share.
    assert len(seen) <= 4
    assert all(found["version"] for found in seen[1:])
    assert all(not found["grade"] for found in seen[1:-1])
    publish(shares[1], Options(database=database))
    assert rows(database) == rows(in_a_file(whole))


def test_a_share_that_is_killed_and_run_again_changes_nothing(
    lines, whole, postgresql, tmp_path
):
    """As whole commands, into one gradebook with points by hand."""
    database = postgresql.new()
    publish(whole, Options(database=database))
    give(whole, "--database", database)
    expected = rows(database)
    log = {share: tmp_path / f"log-{share}" for share in ("1", "2")}

    def begin(share: str, nap: float = 0.0):
        out = tmp_path / share
        line = lines(out, f"{share}/2", "--database", database)
        return start(line, log[share], nap)

    killed, other = begin("1", nap=0.3), begin("2")
    for _ in range(600):
        if mark_of(log["1"]).exists():
            break
        time.sleep(0.05)
    killed.kill()
    for process in (killed, other):
        process.join(60)
    assert killed.exitcode == -signal.SIGKILL
    assert other.exitcode == 0, log["2"].read_text()
    again, other = begin("1"), begin("2")
    for share, process in (("1", again), ("2", other)):
        process.join(60)
        assert process.exitcode == 0, log[share].read_text()
    assert rows(database) == expected
