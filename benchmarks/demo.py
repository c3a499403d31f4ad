"""Seconds of the demonstration, after its installation: what `make demo` runs, in a process of its own."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "topo_interp.cli", "demo", "--quiet"], cwd=folder, check=True)
        seconds = time.perf_counter() - began
    print(f"the demonstration: {seconds:.1f} s")
    if arguments.json:
        arguments.json.write_text(json.dumps({"demo/seconds": seconds}))


if __name__ == "__main__":
    main()
