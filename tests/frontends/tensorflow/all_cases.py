"""Every case of an operator."""

from __future__ import annotations

from tests.frontends.tensorflow.cases import Case
from tests.frontends.tensorflow.cases_arrays import cases_arrays
from tests.frontends.tensorflow.cases_elementwise import cases_elementwise
from tests.frontends.tensorflow.cases_layers import cases_layers
from tests.frontends.tensorflow.cases_sparse import cases_sparse
from tests.frontends.tensorflow.cases_text import cases_text


def cases() -> list[Case]:
    """All of them."""
    return [*cases_elementwise(), *cases_arrays(), *cases_layers(), *cases_sparse(), *cases_text()]
