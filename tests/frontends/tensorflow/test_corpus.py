"""The corpus of frozen graphs: a sample of what is equal must stay equal."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.frontends.tensorflow.corpus import Corpus, check

SAMPLE = (
    "add_n",
    "ae",
    "cond/cond_false",
    "simplewhile_1",
    "svd/rank4_2,2,3,3_noFull_uv",
    "topk/rank2_k5",
    "cnn2d_layers/channels_last_b1_k2_s1_d1_SAME",
    "conv2d_transpose/channels_last_b1_k2_s1_SAME",
    "rnn/basiclstmcell/dynamic_b1_nIn5_nOut3_ts4_tanh_noIS_withTM_fb1_float",
    "tensor_array/stack_sz3-1_int32_dynamic_name_shape",
    "while1/iter_1",
)


def test_a_sample_is_equal(corpus: Path) -> None:
    if not (corpus / "tf_graphs.zip").is_file():
        pytest.skip("the corpus has no tf_graphs.zip")
    archive = Corpus(str(corpus))
    cases = {case.name: case for case in archive.cases()}
    outcomes = [check(archive, cases[name]) for name in SAMPLE]
    assert [(each.case.name, each.kind, each.detail) for each in outcomes if each.kind != "equal"] == []


@pytest.mark.nightly
def test_what_is_equal_stays_equal(corpus: Path) -> None:
    if not (corpus / "tf_graphs.zip").is_file():
        pytest.skip("the corpus has no tf_graphs.zip")
    archive = Corpus(str(corpus))
    counts = Counter((case.status.partition(":")[0], check(archive, case).kind) for case in archive.cases())
    assert counts["equal", "equal"] >= 772
    assert counts["tensorflow-2.21-differs", "equal"] >= 60
    assert counts["random", "loads"] == 14
    assert counts["no-expected-output", "loads"] == 9
