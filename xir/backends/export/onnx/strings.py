"""ONNX forms of operators on text."""

from __future__ import annotations

from xir.backends.export.onnx._form import Answer, Call, Forms, OnnxAttribute, Refusal, onnx_value, whole
from xir.backends.export.onnx.ml_encoders import entries
from xir.ir.constant import Constant
from xir.ir.node import Node
from xir.ir.types import DType
from xir.ops.letters import string_case
from xir.ops.ngrams import count_ngrams
from xir.ops.strings import regex_full_match, string_concat, string_normalize, string_split

forms = Forms()

_LOCALE = "C.UTF-8"
"""The locale whose letters change case as Unicode says, wherever the machine stands: containers have no en_US."""

forms.same(string_concat, "StringConcat", broadcasting="all")
forms.same(regex_full_match, "RegexFullMatch", pattern="pattern")


@forms.of(string_split)
def _string_split(node: Node, opset: int) -> Answer:
    """StringSplit."""
    attributes: dict[str, OnnxAttribute] = {"delimiter": onnx_value(node, "delimiter")}
    if node.attributes["limit"] is not None:
        attributes["maxsplit"] = whole(node, "limit")
    return Call("StringSplit", node.inputs, attributes)


@forms.of(string_normalize)
def _string_normalize(node: Node, opset: int) -> Answer:
    """StringNormalizer."""
    attributes: dict[str, OnnxAttribute] = {
        "case_change_action": str(node.attributes["case"]).upper(),
        "is_case_sensitive": whole(node, "case_sensitive"),
        "locale": _LOCALE,
    }
    if node.attributes["stopwords"]:
        attributes["stopwords"] = onnx_value(node, "stopwords")
    return Call("StringNormalizer", node.inputs, attributes)


@forms.of(string_case)
def _string_case(node: Node, opset: int) -> Answer:
    """StringNormalizer, of a line of texts."""
    x = node.inputs[0]
    if node.attributes["ascii"] or x is None or x.rank != 1 or x.shape[0] == 0:
        return Refusal("letters that change in ASCII alone, or in a table of texts")
    case = str(node.attributes["case"]).upper()
    return Call(
        "StringNormalizer", node.inputs, {"case_change_action": case, "is_case_sensitive": 1, "locale": _LOCALE}
    )


@forms.of(count_ngrams)
def _count_ngrams(node: Node, opset: int) -> Answer:
    """TfIdfVectorizer."""
    pool, weights = node.attributes["pool"], node.attributes["weights"]
    if not isinstance(pool, Constant):
        return Refusal("a pool of n-grams that is no constant")
    attributes: dict[str, OnnxAttribute] = {
        "pool_strings" if pool.dtype is DType.STRING else "pool_int64s": entries(pool),
        "ngram_counts": onnx_value(node, "starts"),
        "ngram_indexes": onnx_value(node, "places"),
        "min_gram_length": whole(node, "shortest"),
        "max_gram_length": whole(node, "longest"),
        "max_skip_count": whole(node, "skips"),
        "mode": str(node.attributes["weighting"]).upper(),
    }
    if isinstance(weights, Constant):
        attributes["weights"] = entries(weights)
    return Call("TfIdfVectorizer", node.inputs, attributes)
