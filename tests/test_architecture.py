"""The layering of the package, read from its imports, so that the picture in the documentation can not rot."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

# Each layer may import itself and the layers before it. The last holds the programs.
LAYERS = [
    {"_errors", "_memory", "_native", "_value", "certificate", "point_cloud"},
    {"arrays", "metrics", "progress"},
    {"activations"},
    {"geometry", "shapes"},
    {"homology"},
    {"summaries"},
    {"inference"},
    {"comparison"},
    # One layer: a profile writes its own report, and so does a track.
    {"cautions", "profile", "profile_file", "report", "track", "track_cache", "track_file"},
    {"cli", "demo"},
]
# The modules that run only inside a capture, where torch is there already: they may import torch at their top, and for that
# are themselves imported inside functions.
TORCH_SIDE = {
    f"topo_interp.activations.{name}" for name in ("batch_rows", "driver", "gradients", "hooks", "inputs", "model_checks")
}
# Heavy or optional packages: imported inside the functions that need them.
LAZY = {"torch", "plotly", "matplotlib", "gudhi", "ripser", "gph", "jinja2", "transformers", "ot"}


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
        [sys.executable, "-W", "error", "-c", "import topo_interp"], capture_output=True, text=True, cwd="/"
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
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=100
    )
    assert run.returncode != 0
    assert "the extension is not built: run make dev" in run.stderr, run.stderr
