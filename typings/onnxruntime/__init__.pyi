"""What xir uses of onnxruntime (1.22 and newer), which ships no types."""

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, ClassVar

from numpy.typing import NDArray

__version__: str

class GraphOptimizationLevel:
    ORT_DISABLE_ALL: ClassVar[GraphOptimizationLevel]
    ORT_ENABLE_BASIC: ClassVar[GraphOptimizationLevel]
    ORT_ENABLE_EXTENDED: ClassVar[GraphOptimizationLevel]
    ORT_ENABLE_ALL: ClassVar[GraphOptimizationLevel]

class SessionOptions:
    graph_optimization_level: GraphOptimizationLevel
    intra_op_num_threads: int
    inter_op_num_threads: int
    log_severity_level: int
    use_deterministic_compute: bool
    def __init__(self) -> None: ...
    def add_session_config_entry(self, key: str, value: str) -> None: ...

class NodeArg:
    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def shape(self) -> list[int | str | None]: ...

class OrtValue:
    @staticmethod
    def ortvalue_from_numpy(numpy_obj: NDArray[Any], device_type: str = ..., device_id: int = ...) -> OrtValue: ...
    @staticmethod
    def ortvalue_from_numpy_with_onnx_type(data: NDArray[Any], onnx_element_type: int) -> OrtValue: ...
    def element_type(self) -> int: ...
    def numpy(self) -> NDArray[Any]: ...

class InferenceSession:
    def __init__(
        self,
        path_or_bytes: str | bytes | PathLike[str],
        sess_options: SessionOptions | None = ...,
        providers: Sequence[str] | None = ...,
    ) -> None: ...
    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, NDArray[Any]]) -> list[Any]: ...
    def run_with_ort_values(
        self, output_names: Sequence[str] | None, input_dict_ort_values: Mapping[str, OrtValue]
    ) -> Sequence[OrtValue]: ...
    def get_inputs(self) -> list[NodeArg]: ...
    def get_outputs(self) -> list[NodeArg]: ...
    def get_providers(self) -> list[str]: ...

def get_available_providers() -> list[str]: ...
def set_default_logger_severity(severity: int) -> None: ...
