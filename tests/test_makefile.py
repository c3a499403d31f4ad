"""The Makefile: that no test is left is no fault where the caller chose among them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(
    ("arguments", "status", "kept"), [("", 5, False), (" ", 5, False), ("-k x", 5, True), ('-k "x and y"', 5, True), ('-k "x and y"', 1, False)]
)
def test_no_test_is_left(arguments, status, kept):
    asked = ["--eval", f"asked: ; @(exit {status}) || $(NONE_CHOSEN)", "asked", f"PYTEST_ARGS={arguments}"]
    done = subprocess.run(["make", "-s", *asked], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode == 0) is kept and "unexpected" not in done.stderr and "not found" not in done.stderr
