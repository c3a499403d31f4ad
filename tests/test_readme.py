"""The first code that a reader copies: README's block runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import topo_interp as ti

README = Path(__file__).resolve().parent.parent / "README.md"


@pytest.mark.timeout(300)
@pytest.mark.slow  # about 8 s: 99 draws of three metrics, and what could have been found
def test_the_block_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    (block,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        exec(compile(block, str(README), "exec"), names)  # noqa: S102
    assert names["profile"].sites == ("layers.0", "layers.1") and names["tested"].tests.tests == 6
    assert isinstance(names["diagrams"], ti.Diagrams) and capsys.readouterr().out.startswith("Exact for the stored distances")
    assert all((tmp_path / page).stat().st_size > 1e6 for page in ("layers.html", "claims.html"))
