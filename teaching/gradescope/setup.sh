#!/usr/bin/env bash
# Gradescope runs this once, as root, when it builds the autograder: it
# installs the course and its grader. What it grades is feedback: student and
# grader share a container there, and the grade of record is the teacher's own
# run.
#
# Made by `python -m attnbook.grading systems` of https://github.com/OWNER/attention-from-scratch.
set -euo pipefail

course=https://github.com/OWNER/attention-from-scratch
# The name of a tag here keeps grades as they are while the course goes on.
ref=main
# An index that holds smaller builds of torch may be named here.
export PIP_EXTRA_INDEX_URL=

export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y --no-install-recommends \
  bubblewrap git libseccomp2 python3 python3-venv
python=python3
# Ubuntu 22.04 has an older Python by default, and this one beside it.
oldest='(3, 11)'
if ! python3 -c "import sys; sys.exit(sys.version_info < $oldest)"; then
  apt-get install -q -y --no-install-recommends \
    python3.11 python3.11-venv
  python=python3.11
fi

git clone --quiet --depth 1 --branch "$ref" "$course" /autograder/course
"$python" -m venv /autograder/venv
/autograder/venv/bin/python -m pip install --quiet --no-cache-dir \
  --constraint /autograder/course/constraints.txt \
  "/autograder/course[grading]"
