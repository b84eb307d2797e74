"""The numbers that a plan sends to CloudWatch are those that it decided by."""

import json
from dataclasses import replace

import pytest

from headroom.domain.fleet.load import Load
from headroom.domain.planning.needs import Need
from headroom.domain.planning.planning import plan
from headroom.usecases.decide import meter
from tests.support.builders import CONTROL, NOW, node, observe, promised

NEED = Need(
    location="Cloud",
    hd=45,
    open_hd=0,
    keep_hd=0,
    keep_open_hd=0,
    nodes=0,
    names=(),
    rule="threshold",
    reason="few are free",
)


def test_needs_of_all_locations_are_added_up_by_source_and_names_are_in_ascii(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DETAILED_METRICS", "yes")
    made = plan(observe(node(1), node(2), free=40), promised(), CONTROL, NOW)
    needs = (
        NEED,
        replace(NEED, location="Zürich burst", hd=3),
        replace(NEED, rule="hold", hd=0, nodes=2, names=("burst-1",)),
    )
    loads = tuple(replace(load, location="Malmö") for load in made.principals)
    assert isinstance(loads[0], Load)
    meter(replace(made, needs=needs, principals=loads))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["Needed"] for line in lines if line.get("Source") == "threshold"] == [[48.0]]
    assert [line for line in lines if line.get("Source") == "hold"] == []
    assert [line["Free"] for line in lines if line.get("Location") == "Malmo"] == [[40.0]]
    assert [line["Nodes"] for line in lines if line.get("State") == "stopped"] == [[2.0]]
