"""Free memory: the machine's estimate, and a container's limit where there is one."""

from __future__ import annotations

import numpy as np
import pytest

from topo_interp._errors import InputError
from topo_interp._memory import _free_of_container, free_bytes, parse_bytes


def group(folder, limit: str):
    (folder / "memory.max").write_text(limit + "\n")
    (folder / "memory.current").write_text("700\n")
    (folder / "memory.stat").write_text("anon 100\ninactive_file 300\n")
    return str(folder)


@pytest.mark.parametrize(("limit", "free"), [("1000", 600), ("500", 100), ("300", 0), ("max", 2**62)])
def test_limit_of_a_container(tmp_path, limit, free):
    assert _free_of_container(group(tmp_path, limit)) == free


def test_no_container_is_no_limit(tmp_path):
    assert _free_of_container(str(tmp_path)) == 2**62


def test_free_memory_is_a_sensible_amount():
    assert 10**8 < free_bytes() < 2**50


def test_amounts_are_integers_of_numpy_too():
    assert parse_bytes(np.int64(10**9)) == parse_bytes("1GB") == 10**9
    for wrong in (np.int64(0), True, 1.5, "1 potato", None):
        with pytest.raises(InputError, match="is no amount of memory"):
            parse_bytes(wrong)
