"""Phases, stages, sharing: net.cpp."""

from __future__ import annotations

import pytest

from xir.errors import InvalidModelError
from xir.frontends.caffe.net import NetState, Phase, duplicates, filter_net, phases, shared_parameters, stages
from xir.frontends.caffe.reader import net_from_text


def names(text: str, phase: Phase = "TEST", level: int = 0, stages: tuple[str, ...] = ()) -> str:
    net = filter_net(net_from_text(text), phase, level=level, stages=stages)
    return "".join(layer.name for layer in net.layers)


@pytest.mark.parametrize(
    ("rules", "phase", "level", "given", "kept"),
    [
        ("", "TEST", 0, (), True),
        ("include { phase: TEST }", "TEST", 0, (), True),
        ("include { phase: TEST }", "TRAIN", 0, (), False),
        ("exclude { phase: TEST }", "TEST", 0, (), False),
        ("exclude { phase: TEST }", "TRAIN", 0, (), True),
        ("include { phase: TEST } include { phase: TRAIN }", "TRAIN", 0, (), True),
        ("include { }", "TRAIN", 0, (), True),
        ("exclude { }", "TRAIN", 0, (), False),
        ("include { min_level: 2 }", "TEST", 1, (), False),
        ("include { min_level: 2 }", "TEST", 2, (), True),
        ("include { max_level: 2 }", "TEST", 2, (), True),
        ("include { max_level: 2 }", "TEST", 3, (), False),
        ("include { stage: 'a' }", "TEST", 0, (), False),
        ("include { stage: 'a' }", "TEST", 0, ("a", "b"), True),
        ("include { stage: 'a' stage: 'b' }", "TEST", 0, ("a",), False),
        ("include { not_stage: 'a' }", "TEST", 0, (), True),
        ("include { not_stage: 'a' }", "TEST", 0, ("a",), False),
        ("include { phase: TEST stage: 'a' }", "TRAIN", 0, ("a",), False),
    ],
)
def test_rules_as_in_net_cpp(rules: str, phase: Phase, level: int, given: tuple[str, ...], kept: bool) -> None:
    found = names(f'layer {{ name: "x" type: "ReLU" {rules} }} layer {{ name: "y" }}', phase, level, given)
    assert found == ("xy" if kept else "y")


def test_include_and_exclude_together_are_refused() -> None:
    with pytest.raises(InvalidModelError, match="both include and exclude") as caught:
        names('layer { name: "x" include { phase: TEST } exclude { phase: TRAIN } }')
    assert caught.value.source.layer == "x"


def test_stages_of_the_file_count_too() -> None:
    assert names("state { stage: 'a' } layer { name: 'x' include { stage: 'a' } }") == "x"


def test_state_of_the_file() -> None:
    net = net_from_text("state { phase: TRAIN level: 2 stage: 's' } layer { }")
    assert net.state == NetState("TRAIN", 2, ("s",))
    assert phases(net) == ("TRAIN",)


def test_phases_tells_both_where_a_rule_names_one() -> None:
    assert phases(net_from_text("layer { exclude { phase: TEST } }")) == ("TRAIN", "TEST")
    assert phases(net_from_text("layer { exclude { stage: 'a' } }")) == ("TEST",)


def test_stages_lists_each_once() -> None:
    text = "layer { include { stage: 'b' not_stage: 'a' } } layer { exclude { stage: 'b' } }"
    assert stages(net_from_text(text)) == ("b", "a")


def test_duplicates() -> None:
    assert duplicates(net_from_text("layer { name: 'a' } layer { name: 'b' } layer { name: 'a' }")) == ("a",)


def test_shared_parameters_point_to_the_first_of_the_name() -> None:
    text = """layer { name: 'a' param { name: 'w' } param { } } layer { name: 'b' param { } param { name: 'w' } }
              layer { name: 'c' param { name: 'w' share_mode: PERMISSIVE lr_mult: 2 decay_mult: 0 } }"""
    net = net_from_text(text)
    assert shared_parameters(net) == {(1, 1): (0, 0), (2, 0): (0, 0)}
    spec = net.layers[2].specs[0]
    assert (spec.permissive, spec.lr_mult, spec.decay_mult) == (True, 2.0, 0.0)


def test_layer_carries_structure_and_counts_it_as_read() -> None:
    text = """layer { name: 'a' type: 'T' bottom: 'x' bottom: 'y' top: 'z' loss_weight: 0.5 phase: TRAIN
              propagate_down: true propagate_down: false param { lr_mult: 1 } include { phase: TEST }
              relu_param { negative_slope: 1 } }"""
    (layer,) = net_from_text(text, file="f.prototxt").layers
    assert (layer.name, layer.kind, layer.bottoms, layer.tops) == ("a", "T", ("x", "y"), ("z",))
    assert (layer.loss_weights, layer.phase, layer.propagate_down) == ((0.5,), "TRAIN", (True, False))
    assert layer.unread() == ("relu_param",)
    assert layer.param("relu_param").number("negative_slope") == 1
    assert layer.unread() == ()
    assert str(layer.location) == "f.prototxt: layer 'a' (T)"
    assert (layer.line, layer.offset) == (1, None)
    assert repr(layer) == "Layer('a', T, ['x', 'y'] -> ['z'])"


def test_net_repr() -> None:
    assert repr(net_from_text("name: 'n' layer { }")) == "Net('n', 1 layers)"


def test_the_level_of_the_file_counts_where_nobody_says_another() -> None:
    net = net_from_text("state { level: 2 } layer { name: 'a' type: 'X' include { min_level: 2 } }")
    assert len(filter_net(net, "TEST").layers) == 1
    assert len(filter_net(net, "TEST", level=1).layers) == 0
