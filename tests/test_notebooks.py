"""Every notebook runs top to bottom in the interpreter of the tests and ends by asserting its numbers."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import nbclient
import nbformat
import pytest

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
if not FOLDER.is_dir():
    pytest.skip(f"there is no folder of notebooks at {FOLDER}", allow_module_level=True)
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a notebook in an empty folder by a kernel of this interpreter; a failing cell raises."""
    # An own kernelspec: an installed "python3" may belong to any environment of the machine.
    spec = tmp_path / "jupyter" / "kernels" / "running"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(
        json.dumps({"argv": argv, "display_name": "running", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    for name in ("JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    # What tqdm, which transformers imports, says where ipywidgets is not installed.
    monkeypatch.setenv("PYTHONWARNINGS", "ignore:IProgress not found")
    monkeypatch.delenv("MPLBACKEND", raising=False)  # the kernel's own, inline backend: no window, no warning
    folder = tmp_path / "run"
    folder.mkdir()

    def execute(notebook):
        resources = {"metadata": {"path": str(folder)}}
        return nbclient.NotebookClient(
            notebook, kernel_name="running", timeout=240, resources=resources
        ).execute()

    return execute


def warnings_in(notebook) -> list[str]:
    """Lines on the notebook's standard error that are warnings."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    streams = [
        output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"
    ]
    return [line for text in streams for line in text.splitlines() if "Warning" in line]


def code_cells(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def notebook_of(*sources: str):
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])


def asserts_at_top(source: str) -> int:
    return sum(isinstance(statement, ast.Assert) for statement in ast.parse(source).body)


def test_the_notebooks_are_found():
    names = [path.stem for path in NOTEBOOKS]
    expected = {"01_circle_to_diagram", "02_layers_of_minilm", "03_when_is_a_bar_a_finding", "04_learning_to_add", "05_digits_layer_by_step"}
    assert expected <= set(names), names


@every_notebook
def test_ends_with_asserts_and_is_kept_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = code_cells(notebook)
    assert asserts_at_top(cells[-1].source) >= 1, f"the last code cell of {path.name} asserts nothing"
    kept = [cell.id for cell in cells if cell.outputs or cell.execution_count is not None]
    assert not kept, f"cells {kept} of {path.name} hold outputs: jupyter nbconvert --clear-output --inplace"


@every_notebook
def test_runs(path, run):
    notebook = nbformat.read(path, as_version=4)
    if path.stem.startswith("01_"):  # the way from points to diagrams needs no torch
        notebook.cells.append(nbformat.v4.new_code_cell("import sys; assert 'torch' not in sys.modules"))
    done = run(notebook)
    assert all(cell.execution_count for cell in code_cells(done))
    assert not warnings_in(done)


def test_the_kernel_is_this_interpreter_with_the_package_under_test(run, tmp_path):
    here = "import os, sys, topo_interp; print(sys.executable, topo_interp.__file__)"
    expected = subprocess.run(
        [sys.executable, "-c", here], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    done = run(notebook_of(here, "print(os.listdir())", "import warnings; warnings.warn('seen')"))
    assert done.cells[0].outputs[0].text == expected.stdout
    assert done.cells[1].outputs[0].text.strip() == "[]", "the notebook does not start in an empty folder"
    assert len(warnings_in(done)) == 1, "a warning in a notebook is not noticed"


def test_a_failing_cell_is_noticed(run):
    with pytest.raises(nbclient.exceptions.CellExecutionError, match="closing number"):
        run(notebook_of("value = 1", "assert value == 2, 'closing number'"))


def test_an_assert_inside_a_function_does_not_count():
    assert asserts_at_top("def check():\n    assert False") == 0
    assert asserts_at_top("x = 1\nassert x == 1") == 1
