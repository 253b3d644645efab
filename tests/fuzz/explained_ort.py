"""What is known of onnxruntime 1.31 on the CPU; paths are those that its own messages name."""

from __future__ import annotations

from tests.fuzz.explanation import NOT_FINITE, Explained

ONNXRUNTIME: tuple[Explained, ...] = (
    Explained(
        "onnxruntime|onnx",
        "top_k",
        "values",
        "an order that ONNX leaves open",
        detail="'sorted': False",
        quotes=(("TopK", "If \"sorted\" is 0, order of returned 'Values' and 'Indices' are undefined."),),
    ),
    Explained(
        "onnxruntime",
        "unique",
        "shape|values",
        "numbers that are no numbers: the text names no order of NaN, and NaN is less than nothing there",
        detail=f"^{NOT_FINITE}.*nan",
        seen="Unique of [nan, 1, nan] is [nan], without the 1",
    ),
    Explained(
        "onnxruntime",
        ".*unique.*",
        "dies: 6",
        "onnxruntime ends the process (abort) in Unique along an axis whose slices have no elements",
        seen="Unique with axis 0 of a tensor [2, 0]",
    ),
    Explained(
        "onnxruntime",
        "dynamic_quantize",
        "values",
        "nothing but 0: the scale is 0 by the formula, and 0 / 0 is quantised; onnxruntime takes 1 for it, onnx's "
        "evaluator and we take 1 for the range (op_dynamic_quantize_linear.py)",
        detail=r"\(x0=float32\[[^\]]*\]\[(-?0(, -?0)*)?\]\)",
        quotes=(
            ("DynamicQuantizeLinear", "y_scale = (maximum(0, max(x)) - minimum(0, min(x))) / (qmax - qmin)"),
            ("DynamicQuantizeLinear", "y = saturate (round (x / y_scale) + y_zero_point)"),
        ),
        lines=(("op_dynamic_quantize_linear", "1.0 if maxx == minx else (maxx - minx)"),),
    ),
    Explained(
        "onnxruntime",
        "resize|resample",
        "values",
        "corners that are aligned by the sizes of the result; the text names them by the width 'which can be a "
        "fractional number', and onnx's test resize_downsample_scales_linear_align_corners by that",
        detail="'coordinates': align_corners.*'scales': \\(|'coordinates': align_corners.*x2=",
        quotes=(("Resize", "which can be a fractional number when it is calculated out of a scale factor"),),
        lines=(("op_resize", "x_ori = x * (input_width - 1) / (output_width - 1)"),),
    ),
    Explained(
        "onnxruntime",
        "resample",
        "shape",
        "onnxruntime leaves the region out of the sizes",
        detail="'coordinates': tf_crop_and_resize",
        quotes=(("Resize", "output_dimension = floor(input_dimension * (roi_end - roi_start) * scale)"),),
    ),
    Explained(
        "onnxruntime",
        "grid_sample",
        "values",
        "onnxruntime moves what a place beyond the border reads, not the place",
        detail="'mode': cubic, 'outside': border",
        quotes=(("GridSample", "border: use border values for out-of-bound grid locations"),),
        lines=(("op_grid_sample", "x[i] = self._clamp(v, 0, dims[i] - 1)"),),
    ),
    Explained(
        "onnxruntime",
        r".*number_to_text.*",
        "text|together: text",
        "how many digits are printed is left open: onnxruntime prints eight, we the shortest that are read back as the "
        "same number, without an exponent",
        quotes=(("Cast", 'plain floating-point representation (such as "314.15926") would be used'),),
    ),
    Explained(
        "onnxruntime",
        "scan",
        "Fail: .*ort_value_tensor_slicer.*",
        "onnxruntime cuts no steps from a tensor without elements",
        detail=r"=\w+\[(\d+, )*0(, \d+)*\]|^\[ONNX",
        seen="Scan along the first axis of a tensor [0, 3]",
    ),
    Explained(
        "onnxruntime",
        ".*scan.*",
        "Fail: .*ort_value_tensor_slicer.*",
        "as above, in a graph of which another operator has no kernel",
        detail=r"^\[ONNXRuntimeError\]",
        seen="Scan along the first axis of a tensor [0, 3]",
    ),
    Explained(
        "onnxruntime",
        "reduce_mean|layer_norm_with_statistics",
        "NaN",
        "the mean of nothing: 0 there, 0 / 0 in NumPy",
        detail=r"x0=\w+\[(\d+, )*0[,\]]",
        quotes=(("ReduceMean", "Reduction over an empty set of values yields undefined."),),
    ),
    Explained(
        "onnxruntime",
        "(max|average|lp)_pool(_with_indices)?",
        "Fail: core/providers/cpu/nn/pool_attributes.h:_ .*",
        "onnxruntime pools no images without channels",
        detail=r"x0=\w+\[\d+, 0, ",
        seen="MaxPool of a tensor [2, 0, 3, 3], which has the result [2, 0, 3, 3] by the formula of its sizes",
    ),
    Explained(
        "onnxruntime",
        "reduce_late",
        "shape",
        "of a tensor without elements, an axis counted from the end stays there",
        detail=r"'keep_dims': False.*x0=\w+\[(\d+, )*0[,\]].*x1=int(32|64)\[\d+\]\[[^\]]*-",
        quotes=(("ReduceProd", "If `keepdims` equals 0, then the resulting tensor has the reduced dimension pruned."),),
    ),
    Explained(
        "onnxruntime",
        "rnn|lstm|gru|continued_rnn|continued_lstm",
        "NaN|infinity",
        "log(1 + e^x) there, of which e^x is infinite where x is large; its value is x",
        detail="'softplus'",
        quotes=(("RNN", "Softplus(x) - log(1 + e^x)"),),
    ),
    Explained(
        "onnxruntime",
        "quantize",
        "values",
        "zero points of float8 are left out there",
        detail="'dtype': f8.*x2=float8",
        quotes=(("QuantizeLinear", "but the quantization formula remains the same for consistency"),),
    ),
    Explained(
        "onnxruntime",
        ".*dequantize.*",
        "Fail: core/providers/cpu/quantization/quantize_linear.cc:_ .*DequantizeLinear.*",
        "zero points of float8 other than 0 are an error there",
        quotes=(("DequantizeLinear", "but the dequantization formula remains the same"),),
    ),
    Explained(
        "onnxruntime",
        "(.*\\+)?(scale_)?cast(\\+.*)?",
        "Fail: graph.cc:_ AddInitializedOrtValue Element type mismatch between tensor proto and ortvalue_initializer",
        "onnxruntime cannot keep the int2 of a weight whose Cast it folds (optimizer/constant_folding.cc)",
        seen="Cast of a Constant of 960 numbers of f32 to int2; those of 5 numbers pass",
    ),
)
