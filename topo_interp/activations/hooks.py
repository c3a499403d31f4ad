"""Forward hooks that hand each site's value on at the moment it exists, and leave no trace on the model."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from topo_interp._errors import InputError
from topo_interp.activations.batch_rows import Misfit, first_tensor
from topo_interp.activations.sites import Site

__all__ = ["StopForward", "hooks", "quiet", "sequence_first"]

# A site's value, or the reason why there is none.
Receive = Callable[[Site, Any], None]


class StopForward(BaseException):
    """Leaves the forward pass after the last needed site; no Exception, so that a model's own ``except`` lets it pass."""


@contextlib.contextmanager
def hooks(model: torch.nn.Module, sites: Sequence[Site], receive: Receive) -> Iterator[None]:
    """Calls ``receive(site, value)`` each time a site's module runs; removes its hooks however the block ends."""
    modules = dict(model.named_modules(remove_duplicate=False))
    handles = []
    try:
        for site in sites:
            module = modules[site.path]
            if site.side == "input":
                handles.append(module.register_forward_pre_hook(_before(site, receive), with_kwargs=True))
            else:
                handles.append(module.register_forward_hook(_after(site, receive)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _after(site: Site, receive: Receive) -> Callable[..., None]:
    def hook(module: torch.nn.Module, _args: Any, output: Any) -> None:
        value = _find(output, site.keys)
        if isinstance(module, torch.nn.RNNBase) and site.keys[:1] == (1,) and isinstance(value, torch.Tensor):
            value = value.movedim(-2, 0).flatten(
                1
            )  # the state: (layers, batch, units) in either order of the sequences
        receive(site, value)

    return hook


def _before(site: Site, receive: Receive) -> Callable[..., None]:
    def hook(module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        receive(site, _find_input(module, args, kwargs, site.keys))

    return hook


def _find(value: Any, keys: tuple[int | str, ...]) -> Any:
    try:
        return first_tensor(value, keys)
    except Misfit as misfit:
        return misfit


def _find_input(
    module: torch.nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], keys: tuple[Any, ...]
) -> Any:
    try:
        bound = inspect.signature(module.forward).bind(*args, **kwargs)
        named: dict[Any, Any] = dict(bound.arguments)
    except (TypeError, ValueError):  # no signature in Python
        named = dict(enumerate(args)) | kwargs
    values = (
        [*args, *(value for name, value in named.items() if name in kwargs)] if args else list(named.values())
    )
    if not keys:
        return _find(tuple(values), ())
    if isinstance(keys[0], int):
        return _find(tuple(values), keys)
    return _find(named | kwargs, keys)


@contextlib.contextmanager
def quiet(model: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode, no gradients, no compiled or fused code that would pass the hooks by; all restored in the end.

    The flags are set on the modules themselves: ``model.eval()`` may be overridden to do more than that.
    """
    training = [(module, module.training) for module in model.modules()]
    # torch's fused attention skips modules, and turns to nested tensors, depending on which modules have hooks: the same site
    # would have other bits in another capture.
    fused = getattr(torch.backends, "mha", None)
    was_fused = fused is not None and fused.get_fastpath_enabled()
    with contextlib.ExitStack() as stack:
        stack.callback(_restore, training)
        if fused is not None and was_fused:
            stack.callback(fused.set_fastpath_enabled, True)
            fused.set_fastpath_enabled(False)
        if hasattr(torch.compiler, "set_stance"):
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        else:
            refuse_compiled(model)
        # Not inference_mode: a model that keeps a tensor of the forward pass could not train with it later.
        stack.enter_context(torch.no_grad())
        for module, _ in training:
            module.training = False
        yield


def _restore(training: Sequence[tuple[torch.nn.Module, bool]]) -> None:
    for module, flag in training:
        module.training = flag


def refuse_compiled(model: torch.nn.Module) -> None:
    """For a torch that can not run compiled modules as written: hooks set after compiling are dropped in silence."""
    for path, module in model.named_modules():
        if (
            type(module).__name__ == "OptimizedModule"
            or getattr(module, "_compiled_call_impl", None) is not None
        ):
            raise InputError(
                f"the module {path!r} is compiled, and torch {torch.__version__} would drop the hooks in silence; capture the "
                "model that you gave to torch.compile, or use torch >= 2.6"
            )


def sequence_first(model: torch.nn.Module) -> frozenset[str]:
    """Paths inside torch's own sequence modules that were made with ``batch_first=False``: their batch is axis 1."""
    out: set[str] = set()
    for path, module in model.named_modules(remove_duplicate=False):
        parent = path.rpartition(".")[0]
        if parent in out and path or _own_batch_first(module) is False:
            out.add(path)
    return frozenset(out)


def _own_batch_first(module: torch.nn.Module) -> bool | None:
    nn = torch.nn
    if isinstance(module, (nn.RNNBase, nn.MultiheadAttention, nn.Transformer)):
        return module.batch_first
    if isinstance(module, (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)):
        return module.self_attn.batch_first
    if isinstance(module, (nn.TransformerEncoder, nn.TransformerDecoder)) and len(module.layers):
        return _own_batch_first(module.layers[0])
    return None
