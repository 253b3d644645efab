"""What is known of onnx's evaluator (onnx.reference), each with the line of its source; a test finds them all."""

from __future__ import annotations

from tests.fuzz.explanation import Explained

CELLS = "rnn|lstm|gru|continued_rnn|continued_lstm"
ANY_NUMBER = "NaN|infinity|values"
LSTM = r"\((\('sigmoid', 0.0, 0.0\), \('tanh', 0.0, 0.0\), \('tanh', 0.0, 0.0\)(, )?)+\)"
GRU = r"\((\('sigmoid', 0.0, 0.0\), \('tanh', 0.0, 0.0\)(, )?)+\)"
"""The default functions, for each direction."""


def theirs(
    op: str,
    cause: str,
    note: str,
    *lines: tuple[str, str],
    detail: str = "",
    quotes: tuple[tuple[str, str], ...] = (),
) -> Explained:
    """An entry about the evaluator, with files and what stands in them."""
    return Explained("onnx", op, cause, note, detail=detail, quotes=quotes, lines=lines)


BODIES = (
    theirs(
        "loop",
        f"shape|ValueError: need at least one array to concatenate|{ANY_NUMBER}|text|type",
        "an absent condition counts as false there, so that no step is made",
        ("op_loop", "while cond and (M is None or it < M):"),
        detail=r"\(x0=int64\[\]\[-?\d+\], x[2-9]=|\(x0=int64\[\]\[-?\d+\]\)",
        quotes=(("Loop", "A boolean termination condition. Optional. Pass empty string to skip."),),
    ),
    theirs(
        "loop",
        "shape|ValueError: (need at least one array to concatenate|all the input array dimensions.*)",
        "what is stacked is joined along the first axis there, and nothing cannot be joined; each result of a step is "
        "an element of a new axis (onnx's test loop11 has it both ways for vectors of one)",
        ("op_loop", "outputs.extend([np.vstack(x) for x in k_carried_away])"),
        detail=r"^(not finite: )?loop .*x1=bool\[\]",
        quotes=(("Loop", "accumulate scan-output values"),),
    ),
    theirs(
        "scan",
        "RuntimeError: Scan is not implemented for other output input_direction than _",
        "no steps go backward there",
        ("op_scan", "Scan is not implemented for other output input_direction than 0."),
    ),
    theirs(
        "scan",
        "RuntimeError: Scan is not implemented for other output output_direction than _",
        "no results go backward there",
        ("op_scan", "Scan is not implemented for other output output_direction than 0."),
    ),
    theirs(
        "scan",
        "RuntimeError: Scan is not implemented for other (input|output) axes than _",
        "no other axes are cut there",
        ("op_scan", "Scan is not implemented for other input axes than 0."),
    ),
    theirs(
        "scan",
        "RuntimeError: Scan with zero scan-input length and scan outputs is not supported.",
        "there are no loops of no steps",
        ("op_scan", "Scan with zero scan-input length and scan outputs is not supported."),
    ),
    theirs(
        "sequence_map",
        "RuntimeError: Unable to find input _ in known results.*",
        "the body does not see what it captures there",
        ("op_sequence_map", "r = body.run(None, feeds, attributes=attributes)"),
    ),
    theirs(
        "sequence_map",
        "TypeError: _ object is not iterable",
        "the map of a sequence of nothing is None there",
        ("op_sequence_map", "return tuple(res)"),
        detail=r"\(x0=a list \[\]",
    ),
)

STATES = (
    theirs(
        "rnn|continued_rnn",
        "RuntimeError: Unknown activation function _.",
        "two functions are known there, Tanh and Affine",
        ("op_rnn", 'raise RuntimeError(f"Unknown activation function {name!r}.")'),
    ),
    theirs(
        "rnn|continued_rnn",
        "RuntimeError: activation_\\w+ must have the same size as num_directions=_.",
        "a number for each direction is wanted there, where functions have none",
        ("op_rnn", "activation_alpha must have the same size as num_directions="),
    ),
    theirs(
        "lstm|gru|continued_lstm",
        ANY_NUMBER,
        "all functions are the default ones there",
        ("op_lstm", "activations=None,  # noqa: ARG002"),
        ("op_gru", "activations=None,  # noqa: ARG002"),
        detail=f"lstm {{[^}}]*'functions': (?!{LSTM})|gru {{[^}}]*'functions': (?!{GRU})",
    ),
    theirs(
        CELLS,
        ANY_NUMBER,
        "nothing is clipped by them there",
        ("op_lstm", "clip=None,  # noqa: ARG002"),
        ("op_gru", "clip=None,  # noqa: ARG002"),
        ("op_rnn", "clip=None,  # noqa: ARG002"),
        detail=r"'clip': \d",
        quotes=(("LSTM", "is applied to the input of activations. No clip if not specified."),),
    ),
    theirs(
        CELLS,
        ANY_NUMBER,
        "all sequences have the same length there",
        ("op_lstm", "sequence_lens=None,  # noqa: ARG002"),
        ("op_gru", "sequence_lens=None,  # noqa: ARG002"),
        ("op_rnn", "sequence_lens=None,  # noqa: ARG002"),
        detail=r"x4=int32|of \((\S+ ){4}i32",
    ),
    theirs(
        "lstm|continued_lstm",
        ANY_NUMBER,
        "forget gates are their own there",
        ("op_lstm", "input_forget=None,  # noqa: ARG002"),
        detail="'coupled': True",
    ),
)

SHAPES = (
    theirs(
        "gather_elements",
        "ValueError: Except for dimension _, all dimensions of index and self s.*",
        "indices must have the sizes of the data there",
        ("op_gather_elements", 'f"Except for dimension {dim!r}, all dimensions of "'),
        quotes=(("GatherElements", "Its output shape is the same as the shape of `indices`"),),
    ),
    theirs(
        "proposal|detection_output|yolo_detection_output|non_max_suppression",
        "IndexError: too many indices for array: array is _dimensional, but _ were indexed",
        "the largest number of boxes is no scalar there",
        ("op_non_max_suppression", "max_output_boxes_per_class = max(pc.max_output_boxes_per_class_[0], 0)"),
        quotes=(
            (
                "NonMaxSuppression",
                "Integer representing the maximum number of boxes to be selected per batch per class. It is a scalar.",
            ),
        ),
    ),
    theirs(
        "optional|optional_none|optional_get",
        "form|length",
        "an optional is a list of one there",
        ("op_optional", "return ([x],)"),
    ),
    theirs(
        "string_normalize",
        "shape",
        "where letters stay as they are, words are no stopwords in other letters there",
        ("op_string_normalizer", "stops = set(stopwords)"),
        detail="'case_sensitive': False, 'case': none",
        quotes=(("StringNormalizer", "Whether the identification of stop words in X is case-sensitive."),),
    ),
    theirs(
        "string_normalize",
        "shape",
        "empty strings go there, which are no stopwords",
        ("op_string_normalizer", "res = np.array([w for w in res.tolist() if len(w) > 0])"),
        detail="''",
        quotes=(("StringNormalizer", 'removes elements specified in "stopwords" attribute.'),),
    ),
    theirs(
        "sequence_insert",
        "ZeroDivisionError: integer modulo by zero|shape|values|length",
        "position n of n is taken modulo n there",
        ("op_sequence_insert", "insert_position = (position[0] + len(seq)) % len(seq)"),
        quotes=(("SequenceInsert", "Accepted range for 'position' is in `[-n, n]`"),),
    ),
    theirs(
        "one_hot_categories",
        r"RuntimeError: This operator is not implemented shape \(\).",
        "no scalar is encoded there",
        ("aionnxml/op_one_hot_encoder", 'raise RuntimeError(f"This operator is not implemented shape {x.shape}.")'),
    ),
    theirs(
        "one_hot",
        "TypeError: only .*arrays can be converted to Python scalars",
        "the depth must be a scalar there",
        ("op_one_hot", "depth_range = np.arange(depth)"),
        detail=r"x1=\w+\[1\]",
        quotes=(("OneHot", "Scalar or Rank 1 tensor containing exactly one element"),),
    ),
    theirs(
        "unique",
        "IndexError: index _ is out of bounds for axis _ with size _|shape|values",
        "numbers of the flattened tensor are taken from its first axis there, where they are not sorted",
        ("op_unique", "y = np.take(x, indices, axis=0)"),
        detail="'sorted': False",
        quotes=(
            (
                "Unique",
                "Otherwise the input tensor is flattened and unique values of the flattened tensor are returned.",
            ),
        ),
    ),
    theirs(
        "unique",
        "TypeError: unhashable type: _",
        "a tensor of several axes has places of several axes there, where they are not sorted",
        ("op_unique", "[inverse_indices_map[i] for i in inverse_indices], dtype=np.int64"),
        detail="'axis': None, 'sorted': False",
    ),
    theirs(
        "unique",
        "TypeError: The axis argument to unique is not supported for dtype object",
        "slices of text have no order in NumPy",
        ("op_unique", "x, True, True, True, axis=axis"),
    ),
    theirs(
        "broadcast|.*\\+broadcast.*",
        "UFuncTypeError: ufunc _ did not contain a loop.*",
        "text is multiplied by 1 there",
        ("op_expand", "return data * ones"),
    ),
    theirs(
        "conv_transpose",
        "ValueError: could not broadcast input array.*",
        "a group has one channel there",
        ("op_conv_transpose", "final[image_id, group_id : (group_id + 1), ...] = group_output["),
        detail="'groups': [2-9]",
    ),
    theirs(
        "pad",
        "ValueError: index can't contain negative values",
        "numpy.pad removes nothing",
        ("op_pad", "return np.pad(data, pad_width=pad_width, mode=mode).astype(data.dtype)"),
        quotes=(("Pad", "the number of padding elements to add or remove (if negative)"),),
    ),
    theirs(
        "resample",
        "shape",
        "the region does not count for the sizes there",
        ("op_resize", "output_size = (scale_factors * np.array(data.shape)).astype(int)"),
        detail="'coordinates': tf_crop_and_resize",
        quotes=(("Resize", "output_dimension = floor(input_dimension * (roi_end - roi_start) * scale)"),),
    ),
    theirs(
        "tree_ensemble",
        "values",
        "a tree that is one leaf has another leaf there",
        ("aionnxml/op_tree_ensemble", "trees.append(build_node(root_index, is_leaf))"),
        detail=r"'roots': int64\[\d+\]\[[^\]]*-",
    ),
    theirs(
        "tree_ensemble",
        "values",
        "what no leaf votes for is the largest or the least number there; it is 0 in onnxruntime, too",
        ("aionnxml/op_tree_ensemble", "result = np.full((len(X), n_targets), np.finfo(X.dtype).max)"),
        detail="'aggregate': (minimum|maximum)",
    ),
    theirs(
        "tree_ensemble",
        "ValueError: Cannot apply_along_axis when any iteration dimensions are _",
        "there are no trees of no rows there",
        ("aionnxml/op_tree_ensemble", "np.apply_along_axis(tree.predict, axis=1, arr=X) for tree in trees"),
    ),
)

NUMBERS = (
    theirs(
        "dynamic_quantize",
        "ValueError: zero-size array to reduction operation maximum which has no identity",
        "the range of nothing is an error there",
        ("op_dynamic_quantize_linear", "maxx = np.float32(np.maximum(0, np.max(x)))"),
    ),
    theirs(
        "affine_grid",
        "values|NaN",
        "the steps of a line of one point between corners are 2 / 0 there, and it lies at its end",
        ("op_affine_grid", "step = 2.0 / (dim_size - 1)"),
        detail=r"'spatial': \((\d+, )*1[,)].*'align_corners': True",
    ),
    theirs(
        "cosine_window",
        "NaN",
        "a window of one point is divided by its 0 steps there",
        ("_op_common_window", "N_1 = size - 1"),
        ("op_hann_window", "res = np.sin(ni * np.pi / N_1) ** 2"),
        detail="'size': 1,",
    ),
    theirs(
        "layer_norm_with_statistics",
        "type",
        "the statistics have the type of the data there",
        ("op_layer_normalization", "return (Y.astype(X.dtype), X_mean.astype(X.dtype), X_inv_std_dev.astype(X.dtype))"),
        detail="x0=(float16|bfloat16)|of \\((f16|bf16)",
        quotes=(("LayerNormalization", "Type of Mean and InvStdDev."),),
    ),
    theirs(
        "lrn",
        "values|IndexError: index _ is out of bounds for axis _ with size _",
        "as many channels are computed there as the batch has samples; the others are sums of 0",
        ("op_lrn", "for c in range(x.shape[0]):"),
    ),
    theirs(
        "lp_normalize",
        ANY_NUMBER,
        "numbers are summed there, not their magnitudes",
        ("op_lp_normalization", "norm = np.power(np.power(x, p).sum(axis=axis), 1.0 / p)"),
        detail="'p': 1",
        quotes=(("LpNormalization", "output = input / Lp_norm(input, axis)"),),
    ),
    theirs(
        "string_split",
        "text",
        "str.split(None, n) keeps white space at the end",
        ("op_string_split", "split_lists = np.char.split(x.astype(np.str_), separator, maxsplit)"),
        detail="'delimiter': , 'limit': \\d",
        quotes=(("StringSplit", "leading or trailing whitespace is removed in the output"),),
    ),
    theirs(
        "number_to_text",
        "text|TypeError: cannot cast dtype.*",
        "NumPy prints what it prints: exponents, and nothing of narrow types",
        ("op_cast", "return x.astype(np.str_)"),
        quotes=(("Cast", 'plain floating-point representation (such as "314.15926") would be used'),),
    ),
    theirs(
        "text_to_number",
        "ValueError: (invalid literal for int.*|could not convert string.*)|TypeError: expected number, got str",
        "NumPy reads no '1.0' as a whole number, and no text as a narrow type",
        ("op_cast", "return x.astype(dtype)"),
        quotes=(("Cast", 'converting string "100.5" to an integer may yield result 100'),),
    ),
    theirs(
        "text_to_number",
        "values",
        "every text but '' is True in NumPy, '0' as well",
        ("op_cast", "return x.astype(dtype)"),
        detail="'dtype': bool",
    ),
    theirs(
        "cast|saturating_cast|bit_cast",
        "TypeError: Cannot cast array data from dtype.*|NotImplementedError.*",
        "ml_dtypes casts not every narrow type to every other",
        ("op_cast", "return x.astype(dtype)"),
        quotes=(("Cast", "Conversion from a numerical type to any numerical type is always allowed."),),
    ),
    theirs(
        "scale_cast",
        "NaN|values|TypeError.*",
        "numbers below the least one, which have no exponent of their own, are rounded otherwise there",
        ("op_cast", "return onnx.numpy_helper.to_float8e8m0(x, saturate, round_mode).astype(dtype)"),
        detail=r"e-(39|4\d)",
    ),
    theirs(
        "dequantize",
        "ValueError: x_zero_point is not null but should be zero for float_ types.",
        "zero points of floats other than 0 are an error there",
        ("op_dequantize_linear", "x_zero_point is not null but should be zero for float8 types."),
        quotes=(("DequantizeLinear", "but the dequantization formula remains the same"),),
    ),
    theirs(
        "dequantize",
        "values",
        "zero points of float4 are left out there",
        ("op_dequantize_linear", "and x_type != TensorProto.FLOAT4E2M1"),
        detail="x2=float4_e2m1fn",
        quotes=(("DequantizeLinear", "but the dequantization formula remains the same"),),
    ),
    theirs(
        "quantize",
        "values",
        "zero points of float8 are left out there",
        ("op_quantize_linear", "return (x.astype(tensor_dtype_to_np_dtype(tensor_type)),)"),
        detail="'dtype': f8.*x2=float8",
        quotes=(("QuantizeLinear", "but the quantization formula remains the same for consistency"),),
    ),
    theirs(
        "quantize",
        "values",
        "what overflows wraps there before it is kept in the range",
        ("op_quantize_linear", "xi = np.rint(x).astype(np.int32)"),
        detail=r"x0=float16\[.*60000|x0=float16\[.*x1=float16",
        quotes=(("QuantizeLinear", "y = saturate((x / y_scale) + y_zero_point)"),),
    ),
    theirs(
        "determinant",
        "type",
        "numpy.linalg computes in f64, and the result stays that",
        ("op_det", "return (np.array(np.linalg.det(x)),)"),
        detail="x0=bfloat16|of \\(bf16",
    ),
    theirs(
        "lookup",
        "values|NaN",
        "a dictionary finds no NaN",
        ("aionnxml/op_label_encoder", "lookup_func = np.vectorize(lambda x: classes.get(x, defval), otypes=[otype])"),
        detail=r"'keys': \w+\[\d+\]\[[^\]]*nan.*x0=\w+\[[\d, ]*\]\[[^\]]*nan",
        quotes=(("ai.onnx.ml:LabelEncoder", "Float keys with value 'NaN' match any input 'NaN' value"),),
    ),
    theirs(
        "matmul_integer",
        r"ValueError: (operands could not be broadcast together|non-broadcastable output operand).*|values",
        "zero points of rows are taken for those of columns there",
        ("op_matmul_integer", "A32 -= a_zero_point"),
        detail=r"x2=\w+\[\d+\]|of \(\S+ \S+ u?i?8\[\d+\]",
        quotes=(
            ("MatMulInteger", "If the input is 2D of shape [M, K] then zero point tensor may be an M element vector"),
        ),
    ),
    theirs(
        "quantized_matmul",
        r"ValueError: (operands could not be broadcast together|non-broadcastable output operand).*|values",
        "scales and zero points of rows are taken for those of columns there",
        ("op_qlinear_matmul", "A -= a_zero_point.astype(np.int32)"),
        detail=r"x[126]=\w+\[\d+\]|of \((\S+ |\S+ \S+ |(\S+ ){6})\w+\[\d+\]",
        quotes=(("QLinearMatMul", "an M element vector [v_1, v_2, ..., v_M] for per row quantization"),),
    ),
    theirs(
        "quantized_matmul|quantized_conv",
        "values by one",
        "sums are multiplied by the scale in f64 there, where that is f32, and in f16, where that is; and the zero "
        "point is added before they are rounded",
        ("op_qlinear_matmul", "D = C * (a_scale * b_scale / y_scale)"),
        ("op_qlinear_matmul", "return (np.clip(np.rint(D), qmin, qmax).astype(dtype),)"),
        ("op_qlinear_conv", "R = res * (x_scale * w_scale / y_scale)"),
        quotes=(("QLinearMatMul", "For (x / y_scale), it is rounding to nearest ties to even."),),
    ),
    theirs(
        "svm_classifier",
        "values",
        "scores of one row are not those of another there, where classes have no vectors",
        ("aionnxml/op_svm_classifier", "probsp2[j, i] = 1 - val2"),
        detail=r"'slopes': float32",
    ),
    theirs(
        "reduce_sum_square",
        "type",
        "numpy.sum makes 64 bits of 32",
        ("op_reduce_sum_square", "res = np.sum(np.square(data), axis=axes, keepdims=keepdims)"),
        detail="x0=u?int32|of \\([iu]32",
    ),
    theirs(
        "grid_sample",
        "values",
        "whole numbers have whole weights there",
        ("op_grid_sample", "coeffs = np.empty((2,), dtype=data.dtype)"),
        detail=r"'mode': (linear|cubic).*x0=u?int",
        quotes=(("GridSample", "For integer input types, intermediate values are computed as floating point"),),
    ),
    theirs(
        "grid_sample",
        "OverflowError: cannot convert float infinity to integer",
        "mirrors that lie in one place are divided by their distance there",
        ("op_grid_sample", "n = int(dx / rng)"),
        detail=r"'outside': reflection, 'align_corners': True.*x0=\w+\[\d+, \d+, (\d+, )*1[,\]]",
    ),
    theirs(
        "cross_entropy",
        "infinity",
        "the logarithm is that of a softmax which became 0 there",
        ("op_softmax_cross_entropy_loss", "inp = np.log(p)"),
    ),
    theirs(
        "log_softmax",
        "infinity",
        "the logarithm is that of a softmax which became 0 there",
        ("op_log_softmax", "np.log(Y, out=Y)"),
        detail="800",
    ),
    theirs(
        "resize",
        "ValueError: data type <class _> not inexact",
        "results of booleans are kept within the range of a float type there",
        ("../../numpy_helper", "finfo"),
        detail="x0=bool",
    ),
    theirs(
        "softsign",
        "TypeError.*",
        "NumPy makes a number of a tensor without axes, in which nothing can be written",
        ("op_softsign", "np.divide(X, tmp, out=tmp)"),
        detail=r"x0=\w+\[\]",
    ),
    Explained(
        "onnx",
        "gelu|hard_swish",
        "values",
        "the constants of the function bodies are f32, which digits of f64 show",
        detail="x0=float64|of \\(f64",
        seen="onnx.defs.get_schema('HardSwish').function_body has constants alpha = 1/6 and beta as floats of 32 bits",
    ),
)

EVALUATOR: tuple[Explained, ...] = (*BODIES, *STATES, *SHAPES, *NUMBERS)
