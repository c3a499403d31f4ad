"""Models that are compiled, quantised, spread, scripted: right rows, or refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from captures import capture

import topo_interp as ti

torch = pytest.importorskip("torch")
nn = torch.nn


@pytest.fixture
def mlp():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(inplace=True), nn.Linear(8, 3)).eval()


@pytest.fixture
def x():
    return torch.randn(7, 5, generator=torch.Generator().manual_seed(1))


def expected(mlp, x):
    first = x @ mlp[0].weight.T + mlp[0].bias
    return {"0": first, "1": first.relu(), "2": first.relu() @ mlp[2].weight.T + mlp[2].bias}


def assert_expected(store, wanted, prefix=""):
    assert len(store) == len(wanted)
    for site, tensor in wanted.items():
        np.testing.assert_allclose(store[prefix + site].points, tensor.detach().numpy(), atol=1e-6)


def compiled(model):
    """Once it has run, hooks set later may be passed by."""
    return torch.compile(model, backend="eager")


def test_a_compiled_model(mlp, x):
    wanted = expected(mlp, x)
    model = compiled(mlp)
    with torch.no_grad():
        model(x)
    store = capture(model, [x, x])
    assert_expected(store, {site: torch.cat((tensor, tensor)) for site, tensor in wanted.items()})
    with torch.no_grad():
        torch.testing.assert_close(model(x), wanted["2"])


def test_a_model_compiled_in_place(mlp, x):
    wanted = expected(mlp, x)
    mlp.compile(backend="eager")
    with torch.no_grad():
        mlp(x)
    assert_expected(capture(mlp, x), wanted)


def test_a_compiled_part(mlp, x):
    wanted = expected(mlp, x)
    model = nn.Sequential(compiled(mlp), nn.Tanh())
    with torch.no_grad():
        model(x)
    store = capture(model, x, ["0", "0._orig_mod.*", "1"])
    np.testing.assert_allclose(store["0"].points, wanted["2"].detach().numpy(), atol=1e-6)
    np.testing.assert_allclose(store["1"].points, wanted["2"].tanh().detach().numpy(), atol=1e-6)
    np.testing.assert_allclose(store["0._orig_mod.0"].points, wanted["0"].detach().numpy(), atol=1e-6)


def test_an_old_torch_refuses_compiled_parts(mlp, x, monkeypatch):
    monkeypatch.delattr(torch.compiler, "set_stance")
    with pytest.raises(
        ti.InputError, match=r"the module '0' is compiled, and torch .* would drop the hooks in silence"
    ):
        capture(nn.Sequential(compiled(mlp)), x)
    assert_expected(capture(compiled(mlp), x), expected(mlp, x))  # the model behind it is known


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
def test_quantised_outputs_are_dequantised(x):
    class Quantised(nn.Module):
        def forward(self, x):
            return torch.quantize_per_tensor(x, 0.05, 3, torch.qint8)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Quantised()

        def forward(self, x):
            return self.inner(x).dequantize()

    store = capture(Model(), x, "inner")
    steps = np.clip(np.round(x.numpy() / np.float32(0.05)) + 3, -128, 127) - 3
    np.testing.assert_allclose(store["inner"].points, steps * 0.05, atol=1e-6)


def test_float8_outputs(x):
    class Low(nn.Module):
        def forward(self, x):
            return x.to(torch.float8_e4m3fn)

    store = capture(nn.Sequential(Low()), x)
    np.testing.assert_array_equal(store["0"].points, x.to(torch.float8_e4m3fn).float().numpy())


def test_int8_weights(x):
    class Int8Linear(nn.Module):
        """Weights as the usual 8-bit layers hold them."""

        def __init__(self, linear):
            super().__init__()
            self.scale = linear.weight.abs().max().item() / 127
            self.register_buffer("weight", (linear.weight / self.scale).round().to(torch.int8))

        def forward(self, x):
            return x @ (self.weight.float() * self.scale).T

    torch.manual_seed(0)
    model = nn.Sequential(Int8Linear(nn.Linear(5, 4)))
    np.testing.assert_allclose(capture(model, x)["0"].points, model(x).numpy(), atol=1e-7)
    assert model[0].weight.dtype == torch.int8


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_scripted_models_are_refused(mlp, x):
    with pytest.raises(
        ti.InputError, match=r"the module '0' \(.*\) is TorchScript, which runs no Python hooks"
    ):
        capture(nn.Sequential(torch.jit.trace(mlp, x)), x)


def test_parallel_models_are_refused(mlp, x):
    with pytest.raises(
        ti.InputError, match=r"the model \(DataParallel\) copies the model .*give model.module"
    ):
        capture(nn.DataParallel(mlp), x)


def test_models_without_weights_are_refused(x):
    with pytest.raises(ti.InputError, match=r"the module '0' \(LazyLinear\) has parameters without a shape"):
        capture(nn.Sequential(nn.LazyLinear(3)), x)
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(5, 3))
    with pytest.raises(ti.InputError, match=r"'0' \(Linear\) has parameters on the meta device"):
        capture(model, x)


@pytest.mark.parametrize("model", [None, "model", np.eye(3), nn.Linear])
def test_what_is_no_model(model, x):
    with pytest.raises(
        ti.InputError, match=r"a torch.nn.Module is needed: ti.store_from_arrays takes arrays"
    ):
        capture(model, x)


def test_offloaded_models_are_never_cut_short(mlp, x):
    """accelerate puts a module's weights back after it ran; leaving in between would leave them on the device."""

    class Offload:
        def __init__(self):
            self.inside = self.runs = 0

        def attach(self, module):
            module._hf_hook, plain = self, module.forward

            def forward(*args):
                self.inside += 1
                out = plain(*args)
                self.inside -= 1
                self.runs += 1
                return out

            module.forward = forward

    offload = Offload()
    wanted = expected(mlp, x)
    for module in mlp.modules():
        offload.attach(module)
    store = capture(mlp, [x, x], "0")
    np.testing.assert_allclose(store["0"].points[7:], wanted["0"].detach().numpy(), atol=1e-6)
    assert (offload.inside, offload.runs) == (0, 8)  # the model and its three modules, twice


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_devices(mlp, x):
    class Spread(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(5, 8), nn.Linear(8, 3).cuda()

        def forward(self, x):
            return self.second(self.first(x).cuda())

    torch.manual_seed(0)
    model = Spread()
    before = [parameter.device for parameter in model.parameters()]
    store = capture(model, x)
    first = model.first(x)
    np.testing.assert_allclose(store["first"].points, first.detach().numpy(), atol=1e-6)
    np.testing.assert_allclose(
        store["second"].points, model.second(first.cuda()).detach().cpu().numpy(), atol=1e-5
    )
    assert [parameter.device for parameter in model.parameters()] == before
    wanted = {site: tensor.detach() for site, tensor in expected(mlp, x).items()}
    store = capture(mlp.cuda(), x)  # the batch goes to the model
    for site, tensor in wanted.items():
        np.testing.assert_allclose(store[site].points, tensor.numpy(), atol=1e-3)
    assert all(parameter.is_cuda for parameter in mlp.parameters())
