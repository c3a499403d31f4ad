"""Measure every promised figure and print it beside its promise: `make bench-check`.

floors.toml holds one row per figure. A benchmark script writes its figures with `--json PATH`; scripts measure medians, and
ratios within one run, because absolute times on a shared machine say little. Exit code 1 when a promise is missed. A floor with
`needs = "cuda"` is not measured where there is no CUDA device, and one with `needs = "--long"`, whose command takes a quarter of an hour,
only with that option; its line and the last lines say so.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    sys.exit("make bench-check needs Python >= 3.11 (it reads TOML)")

HERE = Path(__file__).resolve().parent


def judge(floors: list[dict], measured: dict[str, float], missing: Mapping[str, str] = MappingProxyType({})) -> tuple[list[str], bool]:
    """One line per floor, and whether all are kept. A figure that was not measured is a miss, unless it needs what is missing
    (a need and the reason): then it is neither kept nor missed, and its line says so."""
    lines, kept = [], True
    for floor in floors:
        name, value = floor["name"], measured.get(floor["name"])
        if floor.get("needs") in missing:
            lines.append(f"----  {name:58s} not measured: {missing[floor['needs']]}   promised {_promise(floor)}")
            continue
        ok = value is not None and value <= floor.get("at_most", float("inf")) and value >= floor.get("at_least", float("-inf"))
        kept &= ok
        shown = "not measured" if value is None else f"{value:.4g}"
        lines.append(f"{'ok  ' if ok else 'MISS'}  {name:58s} {shown:>12s}   promised {_promise(floor)}")
    return lines, kept


def promised(floors: list[dict], command: str, figures: dict[str, float]) -> dict[str, float]:
    """The figures that this command is to measure: another may print one of the same name, of other runs."""
    names = {floor["name"] for floor in floors if floor["command"] == command}
    return {name: value for name, value in figures.items() if name in names}


def _promise(floor: dict) -> str:
    return f"<= {floor['at_most']}" if "at_most" in floor else f">= {floor['at_least']}"


def has_device() -> bool:
    """Whether the installed package can compute on a CUDA device here."""
    code = "import os; os.chdir('/'); import topo_interp as ti; line = ti.build_info()['cuda']; print('device(s)' in line and 'emulation' not in line)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "True"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="just the floors whose name contains this")
    parser.add_argument("--long", action="store_true", help="also the floors whose command takes a quarter of an hour")
    arguments = parser.parse_args()
    floors = tomllib.loads((HERE / "floors.toml").read_text())["floor"]
    for floor in floors:
        if ("at_most" in floor) == ("at_least" in floor):
            sys.exit(f"{floor['name']}: a floor has either at_most or at_least")
    floors = [floor for floor in floors if arguments.only is None or arguments.only in floor["name"]]
    if not floors:
        sys.exit(f"no floor's name contains {arguments.only!r}")
    measured: dict[str, float] = {}
    missing = {} if arguments.long else {"--long": "ask for it with --long"}
    if any(floor.get("needs") == "cuda" for floor in floors) and not has_device():
        missing["cuda"] = "no CUDA device"
    here = [floor for floor in floors if floor.get("needs") not in missing]
    for command in dict.fromkeys(floor["command"] for floor in here):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "figures.json"
            script, *rest = command.split()
            print(f"$ python benchmarks/{command}", flush=True)
            subprocess.run([sys.executable, str(HERE / script), *rest, "--json", str(out)], check=False)
            if out.exists():
                measured |= promised(floors, command, json.loads(out.read_text()))
    lines, kept = judge(floors, measured, missing)
    print("\n".join(lines))
    for need, reason in missing.items():
        count = sum(floor.get("needs") == need for floor in floors)
        if count:
            print(f"{count} of {len(floors)} promises were not measured: {reason}")
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
