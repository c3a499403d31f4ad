"""Which models can be captured: the others are refused by name, with what to give instead."""

from __future__ import annotations

from typing import Any

import torch

from topo_interp._errors import InputError

__all__ = ["aliases", "checked_model", "generators", "may_stop_early"]

_REPLICATED = {
    "DataParallel": "copies the model to several devices in each forward pass: give model.module",
    "FullyShardedDataParallel": "holds a part of each parameter: gather the full state dict and capture an unsharded model",
}


def checked_model(model: Any) -> torch.nn.Module:
    """The module to run: the model, or what was given to ``torch.compile``.

    Raises:
        InputError: hooks would not work, or would not see all that happens.
    """
    if not isinstance(model, torch.nn.Module):
        raise InputError(
            f"model is a {type(model).__name__}; a torch.nn.Module is needed: ti.store_from_arrays takes arrays"
        )
    if type(model).__name__ == "OptimizedModule":
        model = model._orig_mod
    for path, module in model.named_modules():
        name = type(module).__name__
        where = f"the module {path!r} ({name})" if path else f"the model ({name})"
        if isinstance(module, torch.jit.ScriptModule):
            raise InputError(
                f"{where} is TorchScript, which runs no Python hooks: capture the model it was made from"
            )
        if name in _REPLICATED:
            raise InputError(f"{where} {_REPLICATED[name]}")
        for parameter in module.parameters(recurse=False):
            if isinstance(parameter, torch.nn.parameter.UninitializedParameter):
                raise InputError(
                    f"{where} has parameters without a shape yet: run one batch through the model first"
                )
            if parameter.is_meta and may_stop_early(model):  # offloaded models keep their weights elsewhere
                raise InputError(
                    f"{where} has parameters on the meta device, so there is nothing to run: load weights first"
                )
    return model


def may_stop_early(model: torch.nn.Module) -> bool:
    """Whether a forward pass may be left in the middle; not where accelerate moves weights back after each module."""
    return not any(hasattr(module, "_hf_hook") for module in model.modules())


def generators(model: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """The modules that can generate text, by path."""
    return {
        path: module for path, module in model.named_modules() if callable(getattr(module, "generate", None))
    }


def aliases(model: torch.nn.Module) -> dict[str, str]:
    """Path -> first path of the same module, for the later paths of modules that stand at several."""
    first = {id(module): path for path, module in model.named_modules()}
    return {
        path: first[id(module)]
        for path, module in model.named_modules(remove_duplicate=False)
        if first[id(module)] != path
    }
