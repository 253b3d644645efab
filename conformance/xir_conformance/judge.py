"""What became of one case: `passed`, or in which way it did not.

Outputs are compared by the suite's own judge, `Runner.assert_similar_outputs` of the installed onnx, with the case's
own tolerances.
"""

from __future__ import annotations

import re
import time
import warnings
from dataclasses import dataclass
from typing import Final, cast

import numpy as np
from onnx.backend.test.runner import Runner

from xir.errors import UnsupportedError
from xir.ir.constant import Array
from xir_conformance.cases import Case, DataSet, read_data_sets
from xir_conformance.outcome import Outcome
from xir_conformance.runtimes import BindingError, Prepared, RefusedError, Runtime

MAX_MESSAGE: Final = 900
"""Characters of a message that are kept."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    status: str
    message: str = ""


def judge(runtime: Runtime, case: Case) -> Outcome:
    """Runs the case and compares; nothing that the runtime raises goes further.

    Raises:
        XirError: the case itself cannot be read.
    """
    sets = list(read_data_sets(case))
    start = time.monotonic()
    note = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            prepared = runtime.prepare(case.model)
        except Exception as error:
            verdict = _Verdict("binding" if isinstance(error, BindingError) else "unsupported", _words(error))
        else:
            verdict = _first_failure(prepared, case, sets)
            note = prepared.note
    return Outcome(verdict.status, verdict.message, round(time.monotonic() - start, 4), note)


def _first_failure(prepared: Prepared, case: Case, sets: list[DataSet]) -> _Verdict:
    for data in sets:
        try:
            results = list(prepared.run([_fed(value) for value in data.inputs]))
        except BindingError as error:
            return _Verdict("binding", _words(error))
        except (RefusedError, UnsupportedError) as error:
            return _Verdict("unsupported", _words(error))
        except Exception as error:
            return _Verdict("error", _words(error))
        try:
            Runner.assert_similar_outputs(
                cast("list[np.ndarray]", list(data.outputs)), cast("list[np.ndarray]", results), case.rtol, case.atol
            )
        except Exception as error:
            return _Verdict("mismatch", _words(error))
    return _Verdict("passed")


def _fed(value: object) -> object:
    return np.asarray(cast("Array", value)) if isinstance(value, np.generic) else value


def _words(error: Exception) -> str:
    text = re.sub(r"\s+", " ", str(error)).strip()
    kind = type(error).__name__
    whole = text if isinstance(error, AssertionError | BindingError | RefusedError) else f"{kind}: {text}"
    return whole[:MAX_MESSAGE]
