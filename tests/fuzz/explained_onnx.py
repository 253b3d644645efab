"""What is known of onnx's evaluator (onnx.reference), each with the line of its source; a test finds them all."""

from __future__ import annotations

from tests.fuzz.explained_numbers import NUMBERS
from tests.fuzz.explanation import ANY_NUMBER, Explained, theirs

CELLS = "rnn|lstm|gru|continued_rnn|continued_lstm"

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
        "string_normalize|string_case",
        "shape|ValueError: (cannot reshape array|operands could not be broadcast|all the input array dimensions).*",
        "empty strings go there, which are no stopwords; in a body what follows meets fewer texts",
        ("op_string_normalizer", "res = np.array([w for w in res.tolist() if len(w) > 0])"),
        detail="''",
        quotes=(("StringNormalizer", 'removes elements specified in "stopwords" attribute.'),),
    ),
    theirs(
        "string_normalize|string_case",
        "text",
        "accents go from all letters there, of which the text says nothing",
        ("op_string_normalizer", "cout[i] = StringNormalizer.strip_accents_unicode(cout[i])"),
        detail=r"object\[.*[^\x00-\x7f]",
        quotes=(("StringNormalizer", "can be further lowercased,"),),
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
        "ValueError: (could not broadcast input array|cannot reshape array of size).*",
        "a group has one channel there, and its weights are cut by the channels of the result",
        ("op_conv_transpose", "final[image_id, group_id : (group_id + 1), ...] = group_output["),
        ("op_conv_transpose", "group_id * num_output_channels // group : (group_id + 1)"),
        detail="'groups': [2-9]",
        quotes=(("ConvTranspose", "has size (C x M/group x kH x kW)"),),
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
)

EVALUATOR: tuple[Explained, ...] = (*BODIES, *STATES, *SHAPES, *NUMBERS)
