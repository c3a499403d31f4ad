"""The emulated device, for the tests of what the package does with one."""

from __future__ import annotations

import pytest


@pytest.fixture
def device(monkeypatch):
    """The emulated device, with 2 GB and nothing on it; it must be as empty afterwards."""
    monkeypatch.setenv("TOPO_INTERP_CUDA_EMULATION", "1")
    from topo_interp._native import cuda_module

    module = cuda_module()
    module.set_memory(2 << 30)
    yield module
    module.set_memory(2 << 30)
    module.set_host_memory()
    module.treat_arrays_as_on_device(False)
    assert module.memory_in_use() == 0
