"""No instruction of one set may leak into functions that every machine runs: read from the object files of the build."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WIDE = re.compile(r"%[yz]mm\d")


def archives() -> list[Path]:
    return sorted(ROOT.glob("build/*/libtopo_interp_core.a"))


def needs_the_build() -> None:
    if not archives() or not shutil.which("nm") or not shutil.which("objdump"):
        pytest.skip("no build folder beside the tests, or no nm and objdump")


def run(*command: str | Path) -> str:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True).stdout


def wide_functions(disassembly: str) -> set[str]:
    """Names of the functions that touch a register of 256 or 512 bits."""
    found, name = set(), ""
    for line in disassembly.splitlines():
        header = re.match(r"[0-9a-f]+ <(.*)>:$", line)
        if header:
            name = header[1]
        elif WIDE.search(line):
            found.add(name)
    return found


def test_the_reader_sees_a_wide_function():
    sample = "0000 <plain()>:\n  0: addss %xmm1,%xmm0\n0010 <leak()>:\n  10: vaddps %zmm1,%zmm2,%zmm3\n"
    assert wide_functions(sample) == {"leak()"}


def test_wide_registers_stay_within_their_namespaces():
    needs_the_build()  # and the namespaces of all wide code are called avx2, avx512 or something that ends so
    found = wide_functions(run("objdump", "-dC", "--no-show-raw-insn", archives()[-1]))
    assert any("topo_interp::avx512::" in name for name in found) and any("topo_interp::avx2::" in name for name in found)
    assert {name for name in found if not re.search(r"avx(2|512)::", name)} == set()


def test_objects_of_an_instruction_set_share_no_symbol():
    needs_the_build()
    listing = run("nm", "-C", "--defined-only", archives()[-1])
    members = dict(re.findall(r"^(\w+)\.cpp\.o:\n((?:.+\n?)*)", listing, flags=re.MULTILINE))
    wide = [name for name in members if "avx" in name]
    assert sorted(wide) == ["link_scan_avx2", "link_scan_avx512", "tile_avx2", "tile_avx512"]
    for name in wide:
        isa = name.rpartition("_")[2]
        namespace = f"topo_interp::scan_{isa}::" if name.startswith("link_scan") else f"topo_interp::{isa}::"
        symbols = re.findall(r"^[0-9a-f]+ (\w) (.*)$", members[name], flags=re.MULTILINE)
        assert len(symbols) > 2
        assert [symbol for kind, symbol in symbols if kind not in "tdrb" and namespace not in symbol] == [], name
