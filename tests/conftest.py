"""Shared by all tests: where the known-answer data lies, and proof that the installed package is what runs."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

# giotto-tda pins an old numpy and scikit-learn: its tests belong to `make test-giotto`, which has it and fails without.
collect_ignore = [] if importlib.util.find_spec("gtda") else ["giotto"]


def pytest_report_header(config: pytest.Config) -> list[str]:
    import topo_interp
    from topo_interp._native import cpu

    folder = os.environ.get("TOPO_INTERP_BUILD", "")  # set when an instrumented build has to be the one that runs
    if folder not in cpu.__file__:
        raise pytest.UsageError(f"the extension is {cpu.__file__}, not the one of {folder}")
    return [f"topo_interp from {Path(topo_interp.__file__).parent}"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked ``cuda`` are skipped by name where no device is, and must run where one was demanded (make test-cuda)."""
    if not any(item.get_closest_marker("cuda") for item in items):
        return
    from topo_interp import build_info

    line = build_info()["cuda"]
    if "device(s)" in line and "emulation" not in line:
        return
    if os.environ.get("TOPO_INTERP_REQUIRE_CUDA"):
        raise pytest.UsageError(f"a CUDA device was demanded: {line}")
    for item in items:
        if item.get_closest_marker("cuda"):
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


def pytest_terminal_summary(terminalreporter) -> None:
    skipped = [report for report in terminalreporter.stats.get("skipped", []) if "no CUDA device" in str(report.longrepr)]
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} tests were not run: no CUDA device (make test-cuda runs them where one is)")


@pytest.fixture(scope="session", autouse=True)
def away_from_the_sources(tmp_path_factory):
    """Tests run in an empty folder: a process started in the repository root would import the bare source folder."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("cwd"))
    yield
    os.chdir(before)


@pytest.fixture
def device(monkeypatch):
    """The emulated device, with 2 GB and nothing on it; it must be as empty afterwards."""
    module = pytest.importorskip("topo_interp._cuda_host", reason="this build has no emulated device")
    monkeypatch.setenv("TOPO_INTERP_CUDA_EMULATION", "1")
    module.set_memory(2 << 30)
    yield module
    module.set_memory(2 << 30)
    module.set_host_memory()
    module.treat_arrays_as_on_device(False)
    assert module.memory_in_use() == 0


@pytest.fixture(scope="session")
def natural_image_patches():
    """The two clouds of natural-image patches (15000 x 8), where TOPO_INTERP_DATA names their folder."""
    import numpy as np

    folder = os.environ.get("TOPO_INTERP_DATA")
    if folder is None:
        pytest.skip("TOPO_INTERP_DATA does not name the folder of natural_image_patches.npz")
    path = Path(folder) / "natural_image_patches.npz"
    assert path.is_file(), f"TOPO_INTERP_DATA is set, but {path} is not there"
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}
