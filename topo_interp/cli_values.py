"""What the words on a command line stand for: calls of public functions, objects of the user's modules, tables."""

from __future__ import annotations

import ast
import dataclasses
import functools
import importlib
import inspect
import sysconfig
import traceback
from pathlib import Path
from typing import Annotated, Any

import typer

from topo_interp._errors import InputError, error_message
from topo_interp._writing import writable

__all__ = ["METRICS", "NULLS", "SELECTORS", "STEPS", "Quiet", "called", "loaded", "recipes_of", "table_of", "writable_all"]

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress line and no closing words.")]

SELECTORS = ("every_row", "mean_pool", "last_token", "first_token", "every_token", "spatial_mean")
METRICS = ("diffusion", "effective_resistance", "fermat", "geodesic", "mahalanobis")
NULLS = ("matched_gaussian", "matched_neighbors", "reinitialized", "shuffled_columns", "uniform_on_sphere")
STEPS = ("centered", "standardized", "normalized", "pca", "drop_top_coordinates")
_EXAMPLES = {
    "--landmarks": "until_certified(bars=5, max_points=2000)",
    "--metric": "diffusion(k=15, t=8)",
    "--null": "matched_gaussian(within=['template'])",
    "--rows": "every_token(max_rows=2000)",
    "--steps": "pca(50)",
}


def recipes_of(
    metrics: list[str] | None, steps: list[str] | None, max_dim: int, threshold: float | None = None, rows: int = 0, landmarks: str | None = None
) -> dict[str, Any] | list[Any]:
    """The recipes that a report is made of: one for each named metric, or the three of ``ti.report_recipes``."""
    import topo_interp as ti

    before = tuple(called(step, STEPS, "--steps") for step in steps or ())
    if metrics is None and threshold is None and landmarks is None:
        # A graph of as many neighbors as there are rows is no graph.
        standard = ti.report_recipes(max_dim, k=max(1, min(15, rows - 1)))
        return {name: dataclasses.replace(recipe, steps=(*before, *recipe.steps)) for name, recipe in standard.items()}
    named = [called(m, METRICS, "--metric") if m.split("(")[0] in METRICS else m for m in metrics or ["euclidean"]]
    some = landmarks if landmarks is None else int(landmarks) if landmarks.isdecimal() else called(landmarks, ("until_certified",), "--landmarks")
    return [ti.Rips(metric, steps=before, max_dim=max_dim, threshold=threshold, landmarks=some) for metric in named]


def called(text: str, names: tuple[str, ...], option: str) -> Any:
    """``name`` or ``name(1, key=2)`` with literal arguments, of the named public functions."""
    import topo_interp as ti

    wrong = InputError(
        f"{option} {text!r} is not understood; give one of {', '.join(names)}, with arguments in brackets: \"{_EXAMPLES[option]}\""
    )
    try:
        node = ast.parse(text.strip(), mode="eval").body
        call = node if isinstance(node, ast.Call) else ast.Call(func=node, args=[], keywords=[])
        arguments = [ast.literal_eval(item) for item in call.args]
        options = {str(item.arg): ast.literal_eval(item.value) for item in call.keywords}
    except (SyntaxError, ValueError):
        raise wrong from None
    if not isinstance(call.func, ast.Name) or call.func.id not in names:
        raise wrong
    try:
        return getattr(ti.nulls if names is NULLS else ti, call.func.id)(*arguments, **options)
    except TypeError as error:
        raise InputError(f"{option} {text!r}: {error}; give it as in \"{_EXAMPLES[option]}\"") from None


def loaded(address: str, option: str) -> Any:
    """The object behind ``module:name``; a function without arguments is called."""
    module, _, name = address.partition(":")
    if not name or module.endswith(".py") or not all(part.isidentifier() for part in module.split(".")):
        raise InputError(
            f"{option} {address!r} names no object; the form is module:name, such as my_models:small_cnn for what stands in my_models.py"
        )
    try:
        home = importlib.import_module(module)
    except ModuleNotFoundError as error:
        ours = f"{module}.".startswith(f"{error.name}.")  # or what that module imports in turn
        hint = f"run from the folder that holds {module.split('.')[0]}.py" if ours else f"{module} imports it: install it in this environment"
        raise InputError(f"{option} {address!r}: {error}; {hint}") from None
    except Exception as error:  # in the user's own module
        raise _failed(option, address, error) from error
    try:
        found = functools.reduce(getattr, name.split("."), home)
    except AttributeError as error:
        # The folder is searched last, so that code.py there is Python's.
        raise InputError(f"{option} {address!r}: {error} (it was imported from {getattr(home, '__file__', None) or 'Python'})") from None
    # A torch module and a DataLoader are used as they are; classes and functions make one.
    if isinstance(found, type) or (callable(found) and not hasattr(found, "forward")):
        try:
            inspect.signature(found).bind()
        except TypeError as error:
            raise InputError(
                f"{option} {address!r} can not be called without arguments ({error}); "
                "write a function without arguments that returns what is needed"
            ) from None
        try:
            return found()
        except Exception as error:  # in the user's own function
            raise _failed(option, address, error) from error
    return found


def _failed(option: str, address: str, error: Exception) -> InputError:
    """Where in the user's code an error stands: the last line of the traceback that is of no installed package."""
    if isinstance(error, SyntaxError):
        where = f"line {error.lineno} of {error.filename}"
    else:
        frames = traceback.extract_tb(error.__traceback__)
        last = next((frame for frame in reversed(frames) if not _installed(frame.filename)), frames[-1])
        where = f"line {last.lineno} of {last.filename}"
    return InputError(f"{option} {address!r} fails at {where}: {error_message(error)}")


def _installed(file: str) -> bool:
    return file.startswith((sysconfig.get_path("stdlib"), "<")) or not {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts)


def table_of(path: Path) -> Any:
    """The table in a CSV or parquet file, with a column "step"."""
    import pandas as pd

    if not path.is_file():
        raise InputError(f"--metrics {str(path)!r}: there is no such file")
    try:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    except (ValueError, OSError, ImportError) as error:  # empty, broken, in another encoding; no permission; no pyarrow
        raise InputError(
            f"--metrics {str(path)!r} can not be read ({error_message(error)}): give a CSV file in UTF-8 or a .parquet file, with a column 'step'"
        ) from None
    if "step" not in table:
        raise InputError(f"--metrics {str(path)!r} has no column 'step'; its columns are {', '.join(map(str, table.columns))}")
    return table


def writable_all(*paths: Path | None) -> None:
    """Found out before the work, not after it."""
    given = [writable(path).resolve() for path in paths if path is not None]
    if len(set(given)) < len(given):
        raise InputError(f"{str(given[0])!r} would be written over by another result; give --out and --save files of their own")
