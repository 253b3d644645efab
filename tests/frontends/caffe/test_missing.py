"""Layers whose weights the caffemodel lacks: refused by default, made up on request, shared where names say so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.frontends.caffe.nets import caffemodel, declare, layer
from xir.errors import InvalidModelError
from xir.frontends.caffe.load import load_caffe
from xir.frontends.caffe.missing import some_of
from xir.frontends.options import Loaded, LoadOptions

INNER = "inner_product_param { num_output: 3 bias_term: false weight_filler { type: 'gaussian' std: 1 } }"
SHARED = INNER + " param { name: 'w' }"
ONE = np.arange(9, dtype=np.float32).reshape(3, 3)


def chain(*layers: tuple[str, str]) -> str:
    """Inner products one after the other, (name, body) each."""
    text, bottom = declare({"data": (2, 3)}), "data"
    for name, body in layers:
        text += layer(name, "InnerProduct", bottom, name, body)
        bottom = name
    return text


def load(folder: Path, text: str, weights: dict[str, list[np.ndarray]], **options: object) -> Loaded:
    (folder / "net.prototxt").write_text(text)
    path = folder / "net.caffemodel"
    path.write_bytes(caffemodel(chain(*((name, INNER) for name in weights)), weights))
    return load_caffe(str(path), LoadOptions(prototxt=str(folder / "net.prototxt"), **options))  # type: ignore[arg-type]


def held(loaded: Loaded) -> dict[str, np.ndarray]:
    graph = loaded.graph
    return {graph.names[each.value]: each.constant.array() for each in graph.parameters}


def test_a_layer_that_the_caffemodel_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError) as caught:
        load(tmp_path, chain(("fc1", INNER), ("fc2_new", INNER)), {"fc1": [ONE], "fc2": [ONE]})
    assert caught.value.code == "XIR-E510"
    assert "no weights for 1 layer of the net: fc2_new (did you mean 'fc2'?)" in caught.value.message
    assert "weights for 1 layer that the net does not have: fc2" in caught.value.message
    assert "--fill-missing" in (caught.value.hint or "")


def test_all_of_them_are_told_at_once(tmp_path: Path) -> None:
    names = [f"layer{number}" for number in range(7)]
    with pytest.raises(InvalidModelError, match=r"7 layers of the net: layer0, layer1, layer2, layer3, layer4, \.\.\."):
        load(tmp_path, chain(*((name, INNER) for name in names)), {"other": [ONE]})


def test_a_layer_that_the_caffemodel_knows_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidModelError, match=r"no weights for 1 layer of the net: fc2$"):
        load(tmp_path, chain(("fc1", INNER), ("fc2", INNER)), {"fc1": [ONE], "fc2": []})


def test_a_caffemodel_alone_is_held_to_the_same(tmp_path: Path) -> None:
    text = chain(("fc1", INNER), ("fc2", INNER))
    path = tmp_path / "alone.caffemodel"
    path.write_bytes(caffemodel(text, {"fc1": [ONE]}, whole=True))
    with pytest.raises(InvalidModelError, match="no weights for 1 layer of the net: fc2"):
        load_caffe(str(path), LoadOptions())


def test_weights_are_made_up_on_request(tmp_path: Path) -> None:
    loaded = load(tmp_path, chain(("fc1", INNER), ("fc2", INNER)), {"fc1": [ONE]}, fill_missing=True)
    assert loaded.made_up == ("fc2.weight",)
    assert any("no weights in the file for 1 layer (fc2): made up" in note for note in loaded.notes)
    np.testing.assert_array_equal(held(loaded)["fc1.weight"], ONE)


def test_what_the_wanted_outputs_do_not_need_may_be_missing(tmp_path: Path) -> None:
    loaded = load(tmp_path, chain(("fc1", INNER), ("fc2", INNER)), {"fc1": [ONE]}, outputs=("fc1",))
    assert loaded.made_up == ()


def test_a_prototxt_alone_is_filled(tmp_path: Path) -> None:
    path = tmp_path / "net.prototxt"
    path.write_text(chain(("fc1", INNER)))
    assert load_caffe(str(path), LoadOptions()).made_up == ("fc1.weight",)


@pytest.mark.parametrize("owner", ["fc1", "fc2"])
def test_shared_weights_need_to_stand_in_one_layer_only(owner: str, tmp_path: Path) -> None:
    loaded = load(tmp_path, chain(("fc1", SHARED), ("fc2", SHARED)), {owner: [ONE]})
    assert loaded.made_up == ()
    assert [array.tolist() for array in held(loaded).values()] == [ONE.tolist()]


def test_a_layer_that_shares_only_some_weights_still_needs_the_others(tmp_path: Path) -> None:
    body = "inner_product_param { num_output: 3 weight_filler { type: 'gaussian' std: 1 } } param { name: 'w' }"
    with pytest.raises(InvalidModelError, match="no weights for 1 layer of the net: fc2"):
        load(tmp_path, chain(("fc1", body), ("fc2", body)), {"fc1": [ONE, ONE[0]]})


def test_weights_that_the_net_does_not_have_are_told(tmp_path: Path) -> None:
    loaded = load(tmp_path, chain(("fc1", INNER)), {"fc1": [ONE], "aux": [ONE]})
    assert any("weights of 1 layer that the net does not have are not used (aux)" in note for note in loaded.notes)


def test_long_lists_are_cut() -> None:
    assert some_of(["a", "b"]) == "a, b"
    assert some_of([str(number) for number in range(6)]) == "0, 1, 2, 3, 4, ..."
