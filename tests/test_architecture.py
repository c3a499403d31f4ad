"""The layering of the package, read from its imports, so that the picture in the documentation can not rot."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import subprocess
import sys
import types
from pathlib import Path

# Each layer may import itself and the layers before it. The last holds the programs.
LAYERS = [
    {"_archive", "_arguments", "_errors", "_memory", "_native", "_sources", "_value", "_words", "_writing", "certificate"},
    {"_rows", "arrays", "metrics", "point_cloud", "progress"},
    {"activations"},
    {"geometry", "shapes"},
    {"homology"},
    {"summaries"},
    {"inference"},
    {"comparison"},
    # One layer: a profile writes its own report, and so does a track.
    {"cautions", "profile", "profile_file", "profile_inputs", "profile_significance", "report", "tests_file", "track", "track_cache", "track_drift", "track_events", "track_file", "track_inputs", "checkpoints", "diff", "diff_file", "diff_parts"},
    {"cli", "cli_changes", "cli_layers", "cli_values", "demo", "integrations"},
]
# The modules that run only inside a capture, where torch is there already: they may import torch at their top, and for that
# are themselves imported inside functions.
TORCH_SIDE = {
    f"topo_interp.activations.{name}" for name in ("batch_rows", "driver", "gradients", "hooks", "inputs", "model_checks")
}
# Heavy or optional packages: imported inside the functions that need them.
LAZY = {
    "torch", "plotly", "matplotlib", "gudhi", "ripser", "gph", "jinja2", "transformers", "ot", "lightning", "pytorch_lightning", "distributed"
}  # fmt: skip


def package_folder() -> Path:
    spec = importlib.util.find_spec("topo_interp")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


def part_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def layer_of(part: str) -> int:
    for level, parts in enumerate(LAYERS):
        if part in parts:
            return level
    raise AssertionError(f"{part!r} stands in no layer: add it to LAYERS in {__file__}")


def imports_of(tree: ast.AST, module: str) -> list[tuple[str, bool]]:
    """Every imported module's full name, and whether the import runs when the module is imported."""
    found: list[tuple[str, bool]] = []

    def walk(node: ast.AST, at_import: bool) -> None:
        for child in ast.iter_child_nodes(node):
            inside = at_import and not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                inside = False
            if isinstance(child, ast.Import):
                found.extend((alias.name, at_import) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{module} uses a relative import; write the full name"
                found.extend((f"{child.module}.{alias.name}", at_import) for alias in child.names)
            walk(child, inside)

    walk(tree, True)
    return found


def modules() -> dict[str, ast.AST]:
    root = package_folder()
    out = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(("topo_interp", *parts)).removesuffix(".__init__")
        out[name] = ast.parse(path.read_text(encoding="utf-8"))
    assert len(out) > 8, f"only {len(out)} modules found in {root}"
    return out


def violations(trees: dict[str, ast.AST]) -> list[str]:
    wrong = []
    for module, tree in trees.items():
        if module == "topo_interp":
            continue
        here = layer_of(part_of(module))
        for name, _ in imports_of(tree, module):
            if name.split(".")[0] != "topo_interp" or part_of(name) in ("", "_cpu", "_cuda", "__version__"):
                continue
            if layer_of(part_of(name)) > here:
                wrong.append(f"{module} imports {name}, which stands below it")
    return wrong


def test_no_module_imports_a_layer_below_it():
    assert violations(modules()) == []


def test_the_layer_check_can_fail():
    bad = {"topo_interp.certificate": ast.parse("from topo_interp.homology.rips import Rips")}
    assert violations(bad) == [
        "topo_interp.certificate imports topo_interp.homology.rips.Rips, which stands below it"
    ]


def eager_imports(trees: dict[str, ast.AST]) -> list[str]:
    """Heavy packages, and modules that import torch at their top, that something imports before it needs them."""
    wrong = []
    for module, tree in trees.items():
        for name, at_import in imports_of(tree, module):
            torch_here = name.split(".")[0] == "torch" or name.rpartition(".")[0] in TORCH_SIDE
            heavy = name.split(".")[0] in LAZY or torch_here
            if at_import and heavy and not (torch_here and module in TORCH_SIDE):
                wrong.append(f"{module}: {name}")
    return wrong


def test_heavy_packages_are_imported_where_they_are_used():
    trees = modules()
    assert TORCH_SIDE <= set(trees)
    assert eager_imports(trees) == []


def test_the_check_of_heavy_imports_can_fail():
    bad = {
        "topo_interp.arrays": ast.parse("import torch"),
        "topo_interp.activations.capture": ast.parse("from topo_interp.activations.driver import Run"),
        "topo_interp.activations.hooks": ast.parse("import torch, plotly"),
        "topo_interp.activations.text": ast.parse("def f():\n    import torch"),
    }
    assert eager_imports(bad) == [
        "topo_interp.arrays: torch",
        "topo_interp.activations.capture: topo_interp.activations.driver.Run",
        "topo_interp.activations.hooks: plotly",
    ]


def test_only_one_module_imports_the_extension():
    doors = [
        module
        for module, tree in modules().items()
        for name, _ in imports_of(tree, module)
        if name.startswith("topo_interp._c")
    ]
    assert set(doors) == {"topo_interp._native"}


def imported_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=100, cwd="/", check=True
    )
    return set(run.stdout.split())


def test_importing_the_package_imports_nothing_heavy():
    assert imported_by("import topo_interp") & LAZY == set()


def test_the_import_check_can_fail():
    assert "torch" in imported_by("import topo_interp, torch") & LAZY


def test_the_import_prints_nothing():
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import topo_interp"], capture_output=True, text=True, cwd="/", check=False
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_public_names_are_documented_and_importable():
    import topo_interp

    public = [name for name in vars(topo_interp) if not name.startswith("_")]
    assert len(public) > 8
    missing = [
        name
        for name in public
        if callable(getattr(topo_interp, name)) and not (getattr(topo_interp, name).__doc__ or "").strip()
    ]
    assert missing == []


def test_the_bare_source_folder_says_what_to_do(tmp_path):
    """A copy of the sources without the extension must name the command that builds it."""
    import shutil

    shutil.copytree(
        package_folder(),
        tmp_path / "topo_interp",
        ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"),
    )
    code = (
        "import sys; sys.meta_path = [f for f in sys.meta_path if 'editable' not in type(f).__module__];"
        f"sys.path.insert(0, {str(tmp_path)!r}); import topo_interp"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=100, check=False
    )
    assert run.returncode != 0
    assert "the extension is not built: run make dev" in run.stderr, run.stderr


# Public names without an example of their own, with the reason.
NO_EXAMPLE = {
    "BudgetError": "raised, never made by a reader",
    "InputError": "raised, never made by a reader",
    "MissingEngineError": "raised, never made by a reader",
    "SealError": "raised, never made by a reader",
    "TopoInterpError": "raised, never made by a reader",
}


def without_example(objects: dict[str, object]) -> list[str]:
    """Functions and classes that no example shows: a class may name the function that makes it, where that one has an example."""

    named = {name.rpartition(".")[2]: thing for name, thing in objects.items()}

    def shown(thing: object) -> bool:
        texts = [thing.__doc__ or ""]
        if inspect.isclass(thing):
            # Only what has a docstring of its own: that of a class attribute such as ``dim = 1`` is the one of int.
            own = [part for part in vars(thing).values() if isinstance(part, (types.FunctionType, classmethod, property))]
            makers = (named.get(name.rpartition(".")[2]) for name in re.findall(r":func:`([\w.]+)`", texts[0]))
            texts += [part.__doc__ or "" for part in (*own, *makers) if part is not None]
        return any(">>> " in text for text in texts)

    return sorted(name for name, thing in objects.items() if callable(thing) and not shown(thing))


def public_objects() -> dict[str, object]:
    """What ``import topo_interp as ti`` gives: its names, and those of the modules among them."""
    import topo_interp

    # What is written there, not the submodules that importing them leaves behind.
    tree = ast.parse((package_folder() / "__init__.py").read_text(encoding="utf-8"))
    names = [alias.asname for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names if alias.asname]
    out: dict[str, object] = {}
    for name in names:
        thing = getattr(topo_interp, name)
        if inspect.ismodule(thing):
            out |= {f"{name}.{part}": getattr(thing, part) for part in thing.__all__}
        else:
            out[name] = thing
    return out


def test_every_public_name_has_an_example():
    public = public_objects()
    assert {"capture", "nulls.matched_gaussian", "shapes.sphere", "metrics.get_metric", "comparisons.table"} <= set(public)
    assert without_example(public) == sorted(NO_EXAMPLE)


def test_the_check_of_examples_can_fail():
    def shown():
        """>>> 1 + 1
        2
        """

    def bare():
        """Nothing to see."""

    class Result:
        """The result of :func:`shown`."""

    class Other:
        """The result of :func:`bare`."""

        dim = 1
        assert ">>> " in type(dim).__doc__

    objects = {"tools.shown": shown, "bare": bare, "Result": Result, "Other": Other}
    assert without_example(objects) == ["Other", "bare"]


def test_the_installed_package_has_its_types():
    """Type checkers read the marker beside the package and the stub beside the extension."""
    import topo_interp._native as native

    assert package_folder().joinpath("py.typed").is_file()
    stub = Path(native.cpu.__file__).parent / "_cpu.pyi"
    assert stub.is_file()
    defined = {node.name for node in ast.parse(stub.read_text(encoding="utf-8")).body if hasattr(node, "name")}
    missing = {name for name in vars(native.cpu) if not name.startswith("_")} - defined
    assert missing == set()


def wrong_decisions(files: list[str], texts: dict[str, str]) -> list[str]:
    """Decisions whose number is not one of its own, and texts that cite a decision which is not there."""
    numbers = [name[:4] for name in files]
    wrong = [f"{number} is taken twice" for number in sorted(set(numbers)) if numbers.count(number) > 1]
    for where, text in texts.items():
        cited = re.findall(r"decisions/(\d{4}[\w.-]*\.md|\d{4})", text)
        wrong += [f"{where} cites {name}" for name in cited if name not in (*numbers, *files)]
    return wrong


def test_every_decision_that_is_cited_exists():
    root = Path(__file__).parents[1]
    files = sorted(path.name for path in root.glob("docs/decisions/*.md"))
    assert len(files) > 5
    folders = ("topo_interp", "cpp_ext", "tests", "benchmarks", "docs")
    paths = [path for folder in folders for path in (root / folder).rglob("*") if path.suffix in (".py", ".cpp", ".hpp", ".md")]
    paths += root.glob("*.md")
    assert wrong_decisions(files, {str(path): path.read_text(encoding="utf-8") for path in paths}) == []
    for name in files:
        assert (root / "docs/decisions" / name).read_text(encoding="utf-8").startswith(f"# {name[:4]}. "), name


def test_the_check_of_decisions_can_fail():
    files = ["0001-a.md", "0001-b.md", "0002-c.md"]
    folder = "docs/decisions"
    texts = {"good": f"{folder}/0002, {folder}/0002-c.md", "gone": f"{folder}/0003", "renamed": f"{folder}/0001-c.md"}
    assert wrong_decisions(files, texts) == ["0001 is taken twice", "gone cites 0003", "renamed cites 0001-c.md"]
