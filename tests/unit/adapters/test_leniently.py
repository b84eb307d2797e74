"""Rows of Pexip's that are anything: read as far as they can be, and never another error."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headroom.adapters.pexip import answers
from headroom.adapters.pexip.answers import GlobalSettings, WorkerConfiguration, WorkerStatus, leniently, worker_of

KINDS = [
    kind
    for kind in vars(answers).values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind not in {msgspec.Struct, answers.Page}
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.from_regex(r"\A-?[0-9]{1,400}(\.[0-9]+)?\Z"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def rows(kind: type[msgspec.Struct]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(kind.__struct_fields__, VALUES))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_any_row_is_read_or_said_to_be_odd(kind: type[msgspec.Struct]) -> None:
    @given(rows(kind) | VALUES)
    def reads(row: object) -> None:
        found, odd = leniently(row, kind)
        assert found is not None or odd
        if found is not None:
            msgspec.convert(msgspec.to_builtins(found), kind, strict=False)

    reads()


@given(rows(WorkerStatus), rows(WorkerConfiguration))
def test_two_rows_that_can_be_read_make_a_node(status: dict[str, Any], configuration: dict[str, Any]) -> None:
    one, other = leniently(status, WorkerStatus)[0], leniently(configuration, WorkerConfiguration)[0]
    if one and other:
        made = worker_of(one, other, 0, [])
        assert isinstance(made.maintenance_mode, bool)
        assert isinstance(made.maintenance_mode_configured, bool)


def test_what_is_not_told_is_not_made_up() -> None:
    assert leniently({"bursting_enabled": "perhaps"}, GlobalSettings) == (
        GlobalSettings(),
        "its bursting_enabled is 'perhaps'",
    )
