"""Run all the studies, one after the other: many hours.

    python -m attnbook.experiments

Each has a process of its own, since some of them measure time and memory.
"""

import subprocess
import sys

from attnbook.experiments.command import studies

for name in studies():
    module = f"attnbook.experiments.{name}"
    print(f"== python -m {module}", flush=True)
    subprocess.run([sys.executable, "-m", module], check=True)
