"""The small networks of the matrix; `make matrix` runs all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.frontends.torch.networks import table
from tests.frontends.torch.networks.network import Network
from tests.frontends.torch.networks.rows import networks, small


def test_every_network_has_a_name_of_its_own() -> None:
    names = [network.name for network in networks()]
    assert len(set(names)) == len(names) > 60


@pytest.mark.parametrize("way", ["symbolic", "script", "live", "origins"])
@pytest.mark.parametrize("network", list(small.rows()), ids=lambda network: network.name)
def test_small_networks_are_equal(network, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    from tests.frontends.torch.networks.ways import Subject, answered

    monkeypatch.setenv("XIR_CACHE", "off")
    answer = answered(Subject(network, tmp_path), way)
    wanted = ("equal", "not made") if way == "script" and network.script is None else ("equal",)
    assert answer["status"] in wanted, answer


def test_rounding_is_told_apart_from_what_is_wrong(tmp_path: Path) -> None:
    """Sums of numbers that cancel: torch's own float32 is as far from the truth."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from tests.frontends.torch.networks.ways import Subject, _judged

    class Sums(torch.nn.Module):
        def forward(self, x):
            return (x * 1e6).cumsum(0)[-1] - (x * 1e6).sum(0)

    given = {"x": torch.linspace(-1, 1.001, 1001).reshape(-1, 1)}
    network = Network("sums", Sums, lambda sizes: given)
    subject = Subject(network, tmp_path)
    wanted, true = subject.torch(given), subject.exact(given)
    assert true[0].dtype == "float64"
    near, far = [true[0].astype("float32")], [wanted[0] * 5 + 1]
    assert _judged(subject, [(wanted, wanted, given, "a")])["status"] == "equal"
    judged = _judged(subject, [(wanted, wanted, given, "a"), (near, wanted, given, "b")])
    assert (judged["status"], judged["exact"] <= judged["own"]) == ("rounding", True)
    assert "torch's own float32" in judged["told"]
    assert _judged(subject, [(far, wanted, given, "a")])["status"] == "different"
    off = wanted[0] - near[0]  # torch's own error
    rounded, wrong = [near[0] - 1.9 * off], [near[0] + 2.5 * off]  # the wrong one is nearer to torch's float32
    assert _judged(subject, [(rounded, wanted, given, "a")])["status"] == "rounding"
    assert _judged(subject, [(rounded, wanted, given, "a"), (wrong, wanted, given, "b")])["status"] == "different"


def test_causes_are_told_first() -> None:
    from tests.frontends.torch.networks.ways import NotMade, _made

    def wrapped() -> None:
        try:
            raise KeyError("what went wrong")
        except KeyError as error:
            raise RuntimeError("Failed.\nNext steps:\n- create an issue") from error

    with pytest.raises(NotMade, match="KeyError: 'what went wrong'"):
        _made(wrapped)


def test_what_torch_does_not_save_leaves_no_file(tmp_path: Path) -> None:
    from tests.frontends.torch.networks.ways import NotMade, _saved

    def half(path: Path) -> None:
        path.write_text("half")
        raise RuntimeError("no more")

    with pytest.raises(NotMade, match="no more"):
        _saved(half, tmp_path / "model.pt")
    assert not (tmp_path / "model.pt").exists()


def test_what_was_measured_names_networks_and_keeps_no_traces() -> None:
    names = {network.name for network in networks()}
    found = table.results(table.MEASURED)
    assert {name for name, _ in found} <= names
    assert all(set(answer) <= {*table.KEPT, "told"} for answer in found.values())
    assert table.kept({"network": "a", "way": "pt2", "folder": "b", "told": "one\ntwo"})["told"] == "one"
    assert table.kept({"told": "h//8 of /a/b/c/model.pt failed"})["told"] == "h//8 of c/model.pt failed"


def test_the_table_counts_and_names(tmp_path: Path) -> None:
    found = {
        ("a", "pt2"): {"status": "equal", "error": 2e-6},
        ("a", "onnx"): {"status": "equal", "error": 2e-6, "onnx_nodes": 3},
        ("a", "exporter"): {"status": "equal", "error": 2e-6, "onnx_nodes": 5},
        ("b", "pt2"): {"status": "refused", "told": "why"},
        ("b", "symbolic"): {"status": "none"},
        ("a", "origins"): {"status": "equal", "error": 0, "origins": [8, 8]},
        ("b", "origins"): {"status": "different", "error": 0.01, "origins": [1999, 2000]},
    }
    path = tmp_path / "table.md"
    path.write_text(f"# Before\n{table.MARK}\nfirst table\n")
    table.write(path, found, ["a", "b", "c"])
    text = path.read_text()
    assert text.startswith("# Before\n")
    assert "first table" not in text
    assert "| pt2 | 2 | 1 | 0 | 1 refused |  |" in text
    assert "compute what torch does (1), xir's hold 3 nodes, torch's 5; xir's has more 0 times." in text
    assert text.endswith("Not measured yet: c.\n")
    assert "| a | 2e-06 |  |  |  |  | 2e-06 |  | 2e-06 |  | 100 % | 3 | 5 |" in text
    assert "| b | refused |" in text
    assert " | 99.9 % | " in text
    assert "Of 2008 nodes of 2 networks, as read" in text
