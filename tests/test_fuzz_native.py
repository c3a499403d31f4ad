"""The kernels under wrong arguments, in a process of its own so that a crash is a failure and not the end of the tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "sanitize" / "fuzz_native.py"


@pytest.mark.parametrize("seed", [0, 1])
def test_wrong_arguments_never_crash(seed):
    command = [sys.executable, str(SCRIPT), "4", str(seed)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert run.returncode == 0, f"exit code {run.returncode}\n{run.stdout}\n{run.stderr[-4000:]}"
    calls = int(run.stdout.split()[0])
    assert calls > 50 and "'answer'" in run.stdout and "TypeError" in run.stdout, run.stdout


def test_a_crash_is_noticed():
    code = "import ctypes; ctypes.string_at(0)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=False).returncode != 0
