"""The judge of promised figures: a miss and a figure that was not measured must both fail."""

from __future__ import annotations

import runpy
import shutil
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
pytestmark = pytest.mark.skipif(sys.version_info < (3, 11), reason="tomllib needs Python 3.11")


@pytest.fixture(scope="module")
def check():
    return runpy.run_path(str(BENCHMARKS / "check.py"))


@pytest.mark.parametrize(
    ("measured", "kept"), [({"a": 1.0}, True), ({"a": 1.01}, False), ({}, False), ({"a": float("nan")}, False)]
)
def test_judge(check, measured, kept):
    lines, verdict = check["judge"]([{"name": "a", "at_most": 1.0}], measured)
    assert verdict is kept
    assert lines[0].startswith("ok" if kept else "MISS")


def test_judge_of_lower_bounds(check):
    floor = {"name": "speedup", "at_least": 25}
    assert check["judge"]([floor], {"speedup": 25.0})[1]
    assert not check["judge"]([floor], {"speedup": 24.9})[1]


@pytest.mark.parametrize("need", ["cuda", "--long"])
def test_what_needs_what_is_missing_is_neither_kept_nor_missed(check, need):
    floors = [{"name": "a", "at_most": 1.0, "needs": need}, {"name": "b", "at_most": 1.0}]
    lines, kept = check["judge"](floors, {"b": 1.0}, {need: "the reason"})
    assert kept and "not measured: the reason" in lines[0] and lines[1].startswith("ok")
    assert not check["judge"](floors, {"b": 2.0}, {need: "the reason"})[1]
    lines, kept = check["judge"](floors, {"b": 1.0}, {"another": "the reason"})
    assert not kept and lines[0].startswith("MISS")


def test_long_floors_are_measured_only_when_asked(tmp_path, monkeypatch, capsys):
    shutil.copy(BENCHMARKS / "check.py", tmp_path)
    for name in ("quick", "long"):
        (tmp_path / f"{name}.py").write_text(f"""import sys; open(sys.argv[-1], "w").write('{{"{name}": 1}}')""")
    (tmp_path / "floors.toml").write_text(
        '[[floor]]\nname = "quick"\ncommand = "quick.py"\nat_most = 1\n[[floor]]\nname = "long"\ncommand = "long.py"\nneeds = "--long"\nat_most = 0\n'
    )
    for options, code, words in (([], 0, "1 of 2 promises were not measured: ask for it with --long"), (["--long"], 1, "MISS  long")):
        monkeypatch.setattr(sys, "argv", ["check.py", *options])
        with pytest.raises(SystemExit) as left:
            runpy.run_path(str(tmp_path / "check.py"), run_name="__main__")
        assert left.value.code == code and words in capsys.readouterr().out


def test_a_figure_is_taken_from_its_own_command_only(check):
    floors = [{"name": "a", "command": "x.py", "at_most": 1.0}, {"name": "b", "command": "x.py --long", "at_most": 1.0}]
    assert check["promised"](floors, "x.py", {"a": 2.0, "b": 0.0}) == {"a": 2.0}
    assert check["promised"](floors, "x.py --long", {"a": 0.0, "b": 3.0}) == {"b": 3.0}


def test_every_floor_is_well_formed():
    import tomllib

    floors = tomllib.loads((BENCHMARKS / "floors.toml").read_text())["floor"]
    assert len(floors) > 3
    names = [floor["name"] for floor in floors]
    assert len(set(names)) == len(names)
    for floor in floors:
        assert ("at_most" in floor) != ("at_least" in floor), floor
        assert floor.get("needs", "cuda") in ("cuda", "--long"), floor
        assert (BENCHMARKS / floor["command"].split()[0]).is_file(), floor
