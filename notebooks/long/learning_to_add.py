"""Notebook 04 at length: three seeds of its network and a small transformer; `make notebooks-long`.

The definitions are those of the notebook: its cells with the tag "shared" are run here. Each run's table is kept under
results/ by the hash of what defines it (the code of those cells, the kind, the seed, the versions), and is not computed again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import topo_interp as ti

HERE = Path(__file__).resolve().parent
NOTEBOOK = HERE.parent / "04_learning_to_add.ipynb"
TRANSFORMER = {"width": 64, "heads": 4, "steps": 700, "every": 100, "share": 0.6, "learning_rate": 2e-3, "weight_decay": 1.0}


def shared_source() -> str:
    """The code of the notebook's shared cells."""
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if "shared" in cell["metadata"].get("tags", [])]
    if len(sources) < 4:
        raise SystemExit(f"{NOTEBOOK.name} has {len(sources)} cells with the tag 'shared'; its definitions are needed")
    return "\n\n".join(sources)


class Transformer(torch.nn.Module):
    """One layer without normalization: the residues a and b, and a sign that asks for the sum."""

    def __init__(self, p: int, width: int, heads: int) -> None:
        super().__init__()
        self.residues = torch.nn.Embedding(p + 1, width)
        self.positions = torch.nn.Parameter(torch.randn(3, width) / width**0.5)
        self.attention = torch.nn.MultiheadAttention(width, heads, batch_first=True, bias=False)
        self.up, self.down = torch.nn.Linear(width, 4 * width), torch.nn.Linear(4 * width, width)
        self.out = torch.nn.Linear(width, p, bias=False)
        torch.nn.init.normal_(self.residues.weight, std=width**-0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.residues(x) + self.positions
        last = x[:, -1:] + self.attention(x[:, -1:], x, x, need_weights=False)[0]
        return self.out(last + self.down(torch.relu(self.up(last))))[:, 0]


def train_transformer(seed: int, p: int) -> tuple[dict[int, np.ndarray], pd.DataFrame]:
    """The embedding of the residues by step, and the loss and accuracies at these steps."""
    torch.manual_seed(seed)
    residues = torch.arange(p)
    a, b = (grid.reshape(-1) for grid in torch.meshgrid(residues, residues, indexing="ij"))
    x, answer = torch.stack((a, b, torch.full_like(a, p)), dim=1), (a + b) % p
    order = torch.randperm(p * p)
    train, test = order[: int(TRANSFORMER["share"] * p * p)], order[int(TRANSFORMER["share"] * p * p) :]
    model = Transformer(p, TRANSFORMER["width"], TRANSFORMER["heads"])
    options = {"lr": TRANSFORMER["learning_rate"], "weight_decay": TRANSFORMER["weight_decay"], "betas": (0.9, 0.98)}
    optimizer = torch.optim.AdamW(model.parameters(), **options)
    tables, metrics = {}, []
    for step in range(TRANSFORMER["steps"] + 1):
        loss = torch.nn.functional.cross_entropy(model(x[train]), answer[train])
        if step % TRANSFORMER["every"] == 0:
            with torch.no_grad():
                right = [(model(x[part]).argmax(dim=1) == answer[part]).float().mean().item() for part in (train, test)]
            metrics.append((step, loss.item(), *right))
            tables[step] = model.residues.weight[:p].detach().numpy().astype(np.float64)
            print(f"  step {step}: loss {loss.item():.3f}, accuracy {right[0]:.3f} in training and {right[1]:.3f} in testing", flush=True)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return tables, pd.DataFrame(metrics, columns=["step", "loss", "train_accuracy", "test_accuracy"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["mlp", "transformer"], help="just the runs of this kind")
    arguments = parser.parse_args()
    source = shared_source()
    shared: dict = {}
    exec(compile(source, str(NOTEBOOK), "exec"), shared)  # noqa: S102 - the code of our own notebook
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    for kind, seed in (("mlp", 0), ("mlp", 1), ("mlp", 2), ("transformer", 0)):
        if arguments.only not in (None, kind):
            continue
        about = {"kind": kind, "seed": seed, "torch": torch.__version__, "topo_interp": ti.__version__}
        if kind == "transformer":
            about["settings"] = TRANSFORMER
        defined = json.dumps({**about, "source": source if kind == "mlp" else source + Path(__file__).read_text(encoding="utf-8")}, sort_keys=True)
        path = folder / f"{kind}-{seed}-{hashlib.sha256(defined.encode()).hexdigest()[:16]}.csv"
        print(f"{kind}, seed {seed}: {path.name}")
        if not path.exists():
            began = time.perf_counter()
            tables, metrics = shared["train_mlp"](seed) if kind == "mlp" else train_transformer(seed, shared["P"])
            result = shared["loop_test"](tables).join(metrics.set_index("step"))
            result.to_csv(path)
            path.with_suffix(".json").write_text(json.dumps({**about, "seconds": time.perf_counter() - began}, indent=1) + "\n", encoding="utf-8")
        print(pd.read_csv(path).round(3).to_string(index=False), flush=True)


if __name__ == "__main__":
    main()
