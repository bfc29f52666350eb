"""The packages of the wheel; everything else stands in `pyproject.toml`.

`experiments/` stands at the top level, where contributors look for it, and
is installed inside the package, where a chapter in Colab can read its
tables.
"""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["attnbook", "attnbook.*"]),
        "attnbook.experiments",
    ],
    package_dir={"attnbook.experiments": "experiments"},
)
