"""Disagreements that are explained: what is known of other implementations, each with the words that decide.

An entry that no run needs any more should go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.fuzz.judges import Finding


@dataclass(frozen=True)
class Explained:
    """A known disagreement.

    Attributes:
        judge: a pattern of the whole name of the comparison.
        op: a pattern of the operator; `loop(add+neg)` is covered by what covers one of its inner operators, too.
        cause: a pattern somewhere in the cause.
        note: why it is theirs, or nobody's, with the words of the specification.
        detail: a pattern somewhere in the detail, if the cause does not tell enough.
    """

    judge: str
    op: str
    cause: str
    note: str
    detail: str = ""

    def covers(self, found: Finding) -> bool:
        """Whether this is the disagreement."""
        inner = re.split(r"[+()]", found.op) if "(" in found.op else []
        told = re.search(self.detail, found.detail, re.DOTALL) is not None
        if re.fullmatch(self.judge, found.judge) is None or re.search(self.cause, found.cause) is None:
            return False
        if re.fullmatch(self.op, found.op) is not None:
            return told
        of_inner = any(re.fullmatch(self.op, name) for name in inner)
        return of_inner and (told or self.detail != NOT_FINITE)  # a body's attributes are not in the detail


NOT_FINITE = "^not finite"
"""How the detail of a finding begins in which numbers are not finite, or their products would not be."""

ANY_NUMBER = "NaN|infinity|values|sign of 0"
SUMS = (
    "accuracy|arg_m(ax|in)|attention|average_pool|batch_norm(_train)?|causal_conv|celu|col2im|continued_(rnn|lstm)"
    "|contrastive_loss|conv|conv_transpose|cross_entropy|cumprod|cumsum|determinant|dft|einsum|embedding|euclidean_loss"
    "|fold|gelu|gemm|group_norm|gru|hard_sigmoid|hard_swish|hardmax|hinge_loss|im2col|infogain_loss|instance_norm"
    "|l1_loss|l2_normalize|layer_norm(_with_statistics)?|linear_attention|log_softmax|lp_normalize|lp_pool|lrn"
    "|lrn_within|lstm|lstm_unit|matmul|max_pool(_with_indices)?|maximum|mean_variance_normalize|minimum|mish"
    "|multinomial_logistic_loss|negative_log_likelihood|reduce_\\w+|resample|resize|rms_norm|rnn|rotary_embedding|selu"
    "|shrink|sigmoid|sigmoid_cross_entropy|smooth_l1_loss|softmax|softmax_cross_entropy|softplus|softsign|stft"
    "|svm_classifier|svm_regressor|swiglu|swish|top_k|tree_ensemble|unique|sign|clip|relu|elu|prelu|leaky_relu"
    "|thresholded_relu|adagrad_step|adam_step|momentum_step|scatter_elements|lookup"
)
"""Operators with products, sums, orders or decisions, in which an infinity or a NaN meets others."""

RECURRENT = "rnn|lstm|gru|continued_rnn|continued_lstm|lstm_unit"
ISSUES = r"Issues with types"

EXPLAINED: tuple[Explained, ...] = (
    Explained(
        "decomposition|onnxruntime|onnx",
        SUMS,
        ANY_NUMBER,
        "operands that are not finite, or overflow when multiplied: ONNX defines these operators by formulas over the "
        "real numbers and says nothing of NaN and infinity, whose way depends on the order of the steps (inf - inf, "
        "0 * inf, NaN in comparisons)",
        NOT_FINITE,
    ),
    Explained(
        "file",
        ".*multinomial_logistic_loss.*range.*|.*range.*multinomial_logistic_loss.*",
        "a range from _ to nan",
        "as above: the sum that a loss comes apart into meets 0 * inf, and a range begins there",
    ),
    # onnxruntime
    Explained(
        "onnxruntime",
        "matmul_integer|quantized_matmul|conv_integer|quantized_conv|.*dequantize.*",
        "Fail: .*(matmul_integer|conv_integer|qlinearconv|quantize_linear|Quantiz)",
        "onnxruntime takes one zero point for the rows of A and for all channels; MatMulInteger: 'a_zero_point ... It "
        "could be a scalar or a 1-D tensor, or N-D tensor'; ConvInteger: 'w_zero_point ... Its shape ... 1-D [M]'; it "
        "refuses zero points of float8 other than 0; DequantizeLinear: 'the dequantization formula remains the same'",
    ),
    Explained(
        "onnxruntime",
        "top_k",
        "values",
        "unsorted TopK: 'the order of returned values ... undefined'",
        "'sorted': False",
    ),
    Explained(
        "onnx", "top_k", "values", "unsorted TopK: 'the order of returned values ... undefined'", "'sorted': False"
    ),
    Explained(
        "onnxruntime",
        "unique",
        "shape|values",
        "onnxruntime's Unique takes NaN for equal to its neighbours of the sorting, or each for another number; the "
        "text names no order of NaN",
        "nan",
    ),
    Explained(
        "onnxruntime", ".*unique.*", "dies: 6", "onnxruntime ends the process in Unique of slices without elements"
    ),
    Explained(
        "onnxruntime|onnx",
        "dynamic_quantize",
        "values|zero-size",
        "DynamicQuantizeLinear of nothing but 0: y_scale = 0 by the formula; onnxruntime makes it 1, onnx's evaluator "
        "knows no maximum of nothing",
    ),
    Explained(
        "onnxruntime|onnx",
        "affine_grid",
        "values|NaN",
        "a line of one point with align_corners: (size - 1) is 0, and both divide by it or take another end",
        "'align_corners': True",
    ),
    Explained(
        "onnxruntime",
        "resize|resample",
        "values",
        "onnxruntime aligns corners by the whole scaled width; onnx's test resize_upsample_sizes_... by the width "
        "before it is cut off",
        "align_corners",
    ),
    Explained(
        "onnxruntime",
        "resample",
        "shape",
        "onnxruntime leaves the region of tf_crop_and_resize out of the sizes; Resize: 'output_dimension = "
        "floor(input_dimension * (roi_end - roi_start) * scale)'",
    ),
    Explained(
        "onnxruntime",
        "dft",
        "values",
        "onnxruntime's inverse of half a spectrum fits the whole to the length",
        "onesided': True",
    ),
    Explained(
        "onnxruntime",
        "grid_sample",
        "values",
        "onnxruntime clamps what cubic interpolation reads, not the location: GridSample: 'border: use border values "
        "for out-of-bound grid locations'",
        "cubic",
    ),
    Explained(
        "onnxruntime|onnx",
        ".*number_to_text.*",
        "text",
        "Cast to string: 'Converting floats to strings ... plain (12.3) or scientific'; onnxruntime prints 8 digits, "
        "onnx's evaluator NumPy's; special values are to be 'NaN', 'INF', '-INF' for them by the text",
    ),
    Explained(
        "onnxruntime",
        "nonzero",
        "shape",
        "onnxruntime gives a scalar a coordinate; numpy.nonzero of it is what the text names",
    ),
    Explained(
        "onnxruntime|onnx", "cosine_window", "NaN", "a window of one point: both divide by the 0 steps between its ends"
    ),
    Explained(
        "onnxruntime",
        RECURRENT,
        "values",
        "onnxruntime does not clip what enters the function of the cell; LSTM: 'clip: Cell clip threshold ... applied "
        "to the input of activations'",
        "'clip': 0",
    ),
    Explained(
        "onnxruntime",
        r".*batch_norm_train.*",
        "together: values",
        "onnxruntime lets BatchNormalization's running statistics overwrite their operands, which others read, too",
    ),
    Explained(
        "decomposition|onnxruntime|onnx",
        r".*\+.*",
        "together: .*(NaN|infinity|values)",
        "as above, between operators that each agree alone: what a runtime fuses or folds meets numbers that are not "
        "finite in another order",
        NOT_FINITE,
    ),
    Explained("onnxruntime", "scan", "Fail: .*ort_value_tensor_slicer", "onnxruntime cuts no slices of nothing"),
    Explained(
        "onnxruntime",
        "reduce_mean|layer_norm_with_statistics",
        "NaN",
        "onnxruntime's mean of nothing is 0, NumPy's is 0 / 0",
        r"\b0[,\]]",
    ),
    Explained(
        "onnxruntime",
        ".*",
        "relu_clip_fusion",
        "onnxruntime's fusion of Relu and Clip refuses bounds in f16 of its own making",
    ),
    # onnx.reference
    Explained(
        "onnx",
        "loop",
        "concatenate|shape|values|NaN|infinity|text",
        "onnx's evaluator takes an absent condition of Loop for false, and joins (numpy.vstack) what is stacked; Loop: "
        "'cond ... This input is optional', 'scan_outputs ... concatenated' along a new axis",
    ),
    Explained(
        "onnx",
        "scan",
        "not (implemented|supported)|broadcast input array",
        "onnx's evaluator has Scan forward along axis 0 alone, of one result size",
    ),
    Explained(
        "onnx",
        "gather_elements",
        "Except for dimension",
        "onnx's evaluator wants index sizes equal; the text: 'index ... same rank'",
    ),
    Explained("onnx", "gather_nd", "newaxis", "onnx's evaluator cannot gather with no elements"),
    Explained(
        "onnx",
        RECURRENT,
        "values|NaN|infinity|shape|RuntimeError|Error",
        "onnx's evaluator knows the default functions alone, no clip, no lengths, not both directions, and no layout",
    ),
    Explained(
        "onnx",
        "proposal|detection_output|yolo_detection_output|non_max_suppression",
        "too many indices",
        "onnx's evaluator gives NonMaxSuppression of nothing the shape [0], not [0, 3]",
    ),
    Explained(
        "onnx",
        "optional|optional_none|optional_get",
        "form|length",
        "onnx's evaluator holds an optional as a list of one",
    ),
    Explained("onnx", "layer_norm_with_statistics", "type", "onnx's evaluator forgets stash_type: 'Mean ... type U'"),
    Explained("onnx", "lrn", "values", "onnx's evaluator takes one element less of an uneven window at the far end"),
    Explained("onnx", "lp_normalize", "values", "onnx's evaluator sums x^p without its magnitude"),
    Explained("onnx", "string_normalize", "shape", "onnx's evaluator drops empty strings, which are no stopwords"),
    Explained(
        "onnx", "sequence_insert", "modulo by zero|shape|values", "onnx's evaluator takes position n of n modulo n"
    ),
    Explained("onnx", "sequence_insert", "length", "onnx's evaluator takes position n of n modulo n"),
    Explained(
        "onnx",
        "sequence_map",
        "Unable to find input",
        "onnx's evaluator runs SequenceMap's body without what it captures",
    ),
    Explained("onnx", "sequence_map", ISSUES, "onnx's evaluator cannot map a sequence of nothing"),
    Explained(
        "onnx",
        "string_split",
        "text",
        "str.split(None, n) keeps spaces at the end; StringSplit: 'leading or trailing whitespace ... no effect'",
    ),
    Explained(
        "onnx",
        "text_to_number",
        ISSUES + "|invalid literal|values|could not convert",
        "onnx's evaluator knows no narrow types of text, no '1.0' as a whole number, and takes '0' for True",
    ),
    Explained("onnx", "number_to_text", ISSUES, "onnx's evaluator cannot print narrow types"),
    Explained(
        "onnx",
        "cast|saturating_cast|bit_cast",
        ISSUES + "|not implemented",
        "onnx's evaluator cannot cast narrow whole numbers",
    ),
    Explained("onnx", "one_hot_categories", "not implemented shape", "onnx's evaluator knows no scalar there"),
    Explained("onnx", "one_hot", ISSUES, "onnx's evaluator knows no scalar there"),
    Explained("onnx", "conv_transpose", "broadcast input array", "onnx's evaluator pads no further than the window"),
    Explained(
        "onnx",
        "dequantize|quantize",
        "should be zero for float|NaN|values|not implemented|" + ISSUES,
        "onnx's evaluator: float zero points must be 0, divisions in f16 overflow, and whole numbers wrap before they "
        "saturate; QuantizeLinear: 'y = saturate((x / y_scale) + y_zero_point)'",
    ),
    Explained("onnx", "determinant", "type", "numpy.linalg.det makes f64 of bfloat16; Det: 'T: same type'"),
    Explained("onnx", "lookup", "values", "onnx's evaluator finds no NaN; LabelEncoder: NaN is a key by its bits"),
    Explained("onnx", "lookup.*|broadcast", ISSUES, "onnx's evaluator cannot repeat text"),
    Explained(
        "onnx",
        "matmul_integer|quantized_matmul",
        "could not be broadcast|values",
        "onnx's evaluator subtracts a zero point of rows as one of columns",
    ),
    Explained(
        "onnx",
        "quantized_matmul|quantized_conv",
        "values",
        "onnx's evaluator scales in the type of the scales; QLinearMatMul: rounds once",
    ),
    Explained(
        "onnx",
        "svm_classifier|svm_regressor|tree_ensemble",
        "values|NaN",
        "onnx's evaluator: votes of ties, and branches in f32 of other types",
    ),
    Explained(
        "onnx", "scale_cast", "NaN|values|" + ISSUES, "onnx's evaluator casts to E8M0 without its rounding modes"
    ),
    Explained("onnx", "unique", "out of bounds", "onnx's evaluator orders the flattened numbers by places in rows"),
    Explained("onnx", "reduce_sum_square", "type", "numpy.sum makes i64 of i32; ReduceSumSquare: 'T: same type'"),
    Explained("onnx", "gelu|hard_swish", "values", "onnx's evaluator runs the function body, whose constants are f32"),
    Explained(
        "onnx",
        "grid_sample",
        "values|OverflowError",
        "onnx's evaluator rounds whole numbers otherwise, and divides by extents of 0",
    ),
    Explained("onnx", ".*gather_nd.*", "cannot reshape", "onnx's evaluator gathers no slices of several axes"),
    Explained("onnx", "cross_entropy", "infinity", "onnx's evaluator takes the logarithm of a softmax that became 0"),
    Explained("onnx", "tree_ensemble|svm_.*", "apply_along_axis", "onnx's evaluator has no trees of no rows"),
    Explained("onnx", "unique", ISSUES, "onnx's evaluator cannot sort slices of text"),
    Explained("onnx", "pad", "negative values", "numpy.pad takes no negative numbers; Pad: 'pads ... may be negative'"),
    Explained(
        "onnx",
        "resize|resample",
        "not inexact|shape|values|NaN",
        "onnx's evaluator: whole numbers and booleans in another type, sizes without the region",
    ),
    Explained("onnx", "softsign", ISSUES, "onnx's evaluator: NumPy makes a scalar of a tensor without axes"),
)


def explanation(found: Finding) -> str | None:
    """The note that explains a finding, if there is one."""
    return next((each.note for each in EXPLAINED if each.covers(found)), None)
