"""Disagreements that are explained: what is known of other implementations, each with the words that decide.

Every note stands on something that can be looked up: words of an operator's text, which a test finds there; a line of
onnx's evaluator, which a test finds in its source; or what an experiment with onnxruntime shows. An entry that no run
needs any more should go.
"""

from __future__ import annotations

from tests.fuzz.explained_onnx import EVALUATOR
from tests.fuzz.explained_ort import ONNXRUNTIME
from tests.fuzz.explanation import ANY_NUMBER, NOT_FINITE, Explained
from tests.fuzz.judges import Finding

SUMS = (
    "accuracy|arg_m(ax|in)|attention|average_pool|batch_norm(_train)?|causal_conv|celu|col2im|continued_(rnn|lstm)"
    "|contrastive_loss|conv|conv_transpose|cross_entropy|cumprod|cumsum|determinant|dft|einsum|embedding|euclidean_loss"
    "|fold|gelu|gemm|group_norm|gru|hard_sigmoid|hard_swish|hardmax|hinge_loss|im2col|infogain_loss|instance_norm"
    "|l1_loss|l2_normalize|layer_norm(_with_statistics)?|linear_attention|log_softmax|lp_normalize|lp_pool|lrn"
    "|lrn_within|lstm|lstm_unit|matmul|max_pool(_with_indices)?|maximum|mean_variance_normalize|minimum|mish"
    "|multinomial_logistic_loss|negative_log_likelihood|reduce_\\w+|resample|resize|rms_norm|rnn|rotary_embedding|selu"
    "|shrink|sigmoid|sigmoid_cross_entropy|smooth_l1_loss|softmax|softmax_cross_entropy|softplus|softsign|stft"
    "|svm_classifier|svm_regressor|swiglu|swish|top_k|tree_ensemble|unique|sign|clip|relu|elu|prelu|leaky_relu"
    "|thresholded_relu|adagrad_step|adam_step|momentum_step|scatter_elements|scatter_nd"
)
"""Operators with products, sums, orders or decisions, in which an infinity or a NaN meets others."""

EVERYBODY: tuple[Explained, ...] = (
    Explained(
        "decomposition|onnxruntime|onnx|compiled",
        SUMS,
        ANY_NUMBER,
        "operands that are not finite, or overflow when multiplied: ONNX defines these operators by formulas over the "
        "real numbers and says nothing of NaN and infinity, whose way depends on the order of the steps (inf - inf, "
        "0 * inf, NaN in comparisons). The same operator is judged on finite operands, too (judges.py, of_node)",
        detail=f"^{NOT_FINITE}",
        seen="numpy.log(numpy.exp(x) / numpy.exp(x).sum()) and x - log(sum(exp(x))) of one infinity",
    ),
    Explained(
        "decomposition|onnxruntime|onnx|compiled",
        r".*\+.*",
        f"together: (({ANY_NUMBER})(, )?)+",
        "as above, between operators that each agree alone: what a runtime fuses or folds meets numbers that are not "
        "finite in another order. The graph is judged on finite operands, too (judges.py, tamed)",
        detail=f"^{NOT_FINITE}",
        seen="as above",
    ),
    Explained(
        "compiled",
        "psroi_pool",
        "values",
        "the edges of cells are floor and ceil of cell * width + start: where that is a whole number over the reals, "
        "its last bit decides, and machine code rounds a product and a sum together (fused multiply-add)",
        seen="6 * f32(1.1) + f32(0.4): 7.0000005 rounded twice, 7 rounded once; ceil gives 8 or 7",
    ),
)

EXPLAINED: tuple[Explained, ...] = (*EVERYBODY, *ONNXRUNTIME, *EVALUATOR)


def explanation(found: Finding) -> str | None:
    """The note that explains a finding, if there is one."""
    return next((each.note for each in EXPLAINED if each.covers(found)), None)
