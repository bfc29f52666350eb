"""A chapter opened in Colab: numpy and torch are there, attnbook is not."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import nbformat
import pytest
from listing import every_chapter
from nbclient import NotebookClient

from book import address as addresses

PACKAGE = (
    "pyproject.toml",
    "setup.py",
    "README.md",
    "attnbook",
    "experiments",
)
LEFT_OUT = ("__pycache__", "*.egg-info")
pytestmark = pytest.mark.xdist_group("as in Colab")


@pytest.fixture(scope="module")
def libraries(tmp_path_factory) -> Path:
    """Everything that this Python has, but for the package."""
    folder = tmp_path_factory.mktemp("libraries")
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "attnbook" not in path.name:
            (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture
def elsewhere(libraries, tmp_path) -> Path:
    """A Python with these libraries, where nobody has installed a thing."""
    venv.create(tmp_path / "env", symlinks=True)
    (site,) = (tmp_path / "env").glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(f"{libraries}\n")
    return tmp_path / "env" / "bin" / "python"


@pytest.fixture(scope="module")
def package(root, tmp_path_factory) -> Path:
    """What pip builds of a clone of the repository; it does so once."""
    top = tmp_path_factory.mktemp("package")
    clone = top / "clone"
    clone.mkdir()
    for name in PACKAGE:
        source = root / name
        if source.is_dir():
            shutil.copytree(
                source,
                clone / name,
                ignore=shutil.ignore_patterns(*LEFT_OUT),
            )
        else:
            shutil.copy(source, clone / name)
    flags = ["-q", "--no-deps", "--no-build-isolation", "-w", top]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *flags, clone],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = top.glob("attnbook-*.whl")
    return wheel


@every_chapter
def test_the_first_cells_install_the_package_and_run(
    read, elsewhere, package, tmp_path, monkeypatch, name
):
    found = subprocess.run(
        [elsewhere, "-c", "import torch, ipywidgets, attnbook"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert "No module named 'attnbook'" in found.stderr

    notebook = read(name)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"][:5]
    address = f"git+{addresses.declared().repository}"
    assert address in code[0].source
    code[0].source = code[0].source.replace(address, package.as_uri())
    code.append(
        nbformat.v4.new_code_cell("import attnbook\nprint(attnbook.__file__)")
    )
    notebook.cells = code

    kernels = tmp_path / "share" / "kernels" / "elsewhere"
    kernels.mkdir(parents=True)
    (kernels / "kernel.json").write_text(
        json.dumps(
            {
                "argv": [
                    str(elsewhere),
                    "-m",
                    "ipykernel_launcher",
                    "-f",
                    "{connection_file}",
                ],
                "display_name": "Elsewhere",
                "language": "python",
            }
        )
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    empty = tmp_path / "empty"
    empty.mkdir()
    NotebookClient(
        notebook,
        kernel_name="elsewhere",
        timeout=300,
        resources={"metadata": {"path": str(empty)}},
    ).execute()
    used = notebook.cells[-1].outputs[0].text
    assert used.startswith(str(elsewhere.parents[1]))
