"""Capacity advice: kinds of calls by Pexip's weights, the guide's threshold."""

import json

import pytest
from click.testing import CliRunner

from headroom_cli.advice import Peak, nodes_for
from headroom_cli.main import main


@pytest.mark.parametrize(
    ("peak", "nodes"),
    [
        pytest.param(Peak(hd=80), 0, id="what is always on is enough"),
        pytest.param(Peak(hd=81), 1, id="one more call needs a node"),
        pytest.param(Peak(hd=80, sd=60), 2, id="an SD call is half an HD one"),
        pytest.param(Peak(hd=80, audio=180), 1, id="an audio call is a twelfth"),
        pytest.param(Peak(hd=80, full_hd=15), 2, id="a Full HD call is two"),
        pytest.param(Peak(hd=80, conferences=16), 2, id="a conference reserves a backplane"),
    ],
)
def test_a_peak_needs_so_many_nodes(peak: Peak, nodes: int) -> None:
    assert nodes_for(peak, always_on=80, node_hd=15).nodes == nodes


def test_the_guides_example_has_a_threshold_of_twelve_within_its_advice() -> None:
    low, high = nodes_for(Peak(hd=100), always_on=80, node_hd=15).thresholds
    assert low <= 12 <= high


def test_the_command_says_it_in_a_sentence_or_for_a_program() -> None:
    said = CliRunner().invoke(main, ["capacity", "--hd", "150"]).stdout
    assert said.startswith("The peak needs 150 HD connections, 80 are always on: 5 overflow nodes of 15")
    assert json.loads(CliRunner().invoke(main, ["capacity", "--hd", "150", "--json"]).stdout)["nodes"] == 5
