"""The copy of the package that a learner's code sees."""

import ast
import os
import sys
from pathlib import Path

import iniconfig
import pytest
from probing import SMALL, Probe

from attnbook.grading.isolation.sandbox import (
    SandboxError,
    Zygote,
    bubblewrap,
    pruned,
)


def test_the_pruned_package_holds_no_answers(package):
    names = {str(path.relative_to(package)) for path in package.rglob("*.py")}
    assert "attnbook/mechanisms/additive.py" in names
    assert "attnbook/experiments/__init__.py" in names
    real = Path(pruned.attnbook.__file__).parent
    for folder in ("checks", "judging"):
        stand_ins = package / "attnbook" / folder
        assert {p.relative_to(stand_ins) for p in stand_ins.rglob("*.py")} == {
            p.relative_to(real / folder) for p in (real / folder).rglob("*.py")
        }
        for path in stand_ins.rglob("*.py"):
            if str(path.relative_to(package / "attnbook")) in pruned.TRAVELS:
                continue
            assert len(path.read_text("utf-8")) < 1000
        assert not list(stand_ins.rglob("*.pyc"))
    assert not any(name.endswith("/release.py") for name in names)
    assert not any("solution" in name for name in names)


def test_an_installed_package_is_hidden(package, sandbox, monkeypatch):
    # Another package of this environment plays its part.
    monkeypatch.setattr(bubblewrap, "attnbook", iniconfig)
    place = bubblewrap.inside(Path(iniconfig.__file__).parent)
    with (
        Zygote(SMALL, "bubblewrap", (), "probe:serve", package) as zygote,
        Probe(zygote) as probe,
    ):
        found = probe.run(f"import os; found = os.listdir({str(place)!r})")
    assert sorted(found) == sorted(os.listdir(package / "attnbook"))
    assert "mechanisms" in found


def test_every_installed_copy_is_hidden(
    package, sandbox, monkeypatch, tmp_path
):
    """Also one that is not the one that runs, and that Python never finds."""
    copies = []
    for below in ("lib/python3.11/site-packages", "lib/python3/dist-packages"):
        copies.append(tmp_path / "other" / below / "attnbook")
        (copies[-1] / "checks").mkdir(parents=True)
        (copies[-1] / "checks" / "secret.py").touch()
    # It is known by another name, too.
    (tmp_path / "alias").symlink_to("other")
    candidates = [*bubblewrap._candidates(), tmp_path / "alias" / "lib"]
    monkeypatch.setattr(bubblewrap, "_candidates", lambda: candidates)
    top = bubblewrap.inside(tmp_path)
    with (
        Zygote(SMALL, "bubblewrap", (), "probe:serve", package) as zygote,
        Probe(zygote) as probe,
    ):
        found = probe.run(f"""
            import os
            found = [os.path.join(folder, name)
                     for folder, _, names in os.walk({top!r})
                     for name in names]
        """)
    assert [path for path in found if "mechanisms" in path]
    assert [path for path in found if "secret" in path] == []


def test_packages_of_this_user_are_found(package, tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "only_mine.py").write_text("", "utf-8")
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    assert bubblewrap.own_packages() == [folder]
    assert folder in bubblewrap.visible()
    with Zygote(SMALL, "none", ["only_mine"], "probe:serve", package) as z:
        assert z.is_alive


def test_what_lies_where_the_sandbox_is_empty_is_somewhere_else_in_there():
    assert bubblewrap.inside("/usr/lib") == "/usr/lib"
    for place in ("/tmp", "/dev/shm", "/home/student"):
        assert bubblewrap.inside(f"{place}/x/lib") == f"/moved{place}/x/lib"


def test_a_python_that_the_sandbox_would_hide_is_refused(
    package, sandbox, monkeypatch
):
    monkeypatch.setattr(sys, "base_prefix", "/tmp/x")
    with pytest.raises(SandboxError, match="lies in /tmp/x"):
        Zygote(SMALL, "bubblewrap", (), "probe:serve", package).start()


def test_the_pruned_package_has_what_its_modules_import(package):
    missing = []
    for path in (package / "attnbook").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.ImportFrom):
                continue
            module = node.module or ""
            names = [module, *(f"{module}.{a.name}" for a in node.names)]
            found = [
                name
                for name in names
                if (package / name.replace(".", "/")).is_dir()
                or (package / f"{name.replace('.', '/')}.py").is_file()
            ]
            if module.startswith("attnbook") and module not in found:
                missing.append([path.name, module])
            if module == "attnbook.grading" and found == [module]:
                missing.append([path.name, names])
    assert missing == []


def test_what_travels_asks_for_nothing_that_stays_behind():
    """A stand-in would be found in its place, which can do nothing."""
    real = Path(pruned.attnbook.__file__).parent
    travels = {
        "attnbook." + name.removesuffix(".py").replace("/", ".")
        for name in pruned.TRAVELS
    }
    asked = set()
    for name in pruned.TRAVELS:
        for node in ast.walk(ast.parse((real / name).read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                whole = {f"{node.module}.{a.name}" for a in node.names}
                names = whole & travels or {node.module}
            else:
                continue
            asked |= {(name, n) for n in names if n.startswith("attnbook")}
    assert {n for _, n in asked} & travels
    assert {(name, n) for name, n in asked if n not in travels} == set()
