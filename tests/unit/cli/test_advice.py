"""Capacity advice: kinds of calls by Pexip's weights, the guide's threshold."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from headroom.domain.fleet.fleet import Location, Reading
from headroom_cli.advice import Peak, Site, nodes_for
from headroom_cli.main import main
from tests.support.builders import NOW, node, principal


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
    assert nodes_for(peak, Site()).nodes == nodes


def test_the_guides_example_has_a_threshold_of_twelve_within_its_advice() -> None:
    low, high = nodes_for(Peak(hd=100), Site()).thresholds
    assert low <= 12 <= high


def test_what_a_platform_offers_is_measured_and_the_smallest_overflow_node_counts() -> None:
    burst = [node(1)[0], replace(node(2)[0], max_hd_calls=22), replace(node(3)[0], max_hd_calls=None)]
    places = (Location(name="Stockholm", overflow_location="AWS burst"), Location(name="AWS burst"))
    reading = Reading(platform="manager", read_at=NOW, workers=(principal(free=80), *burst), locations=places)
    assert Site.of(reading) == Site(always_on=80, node_hd=15, measured=True)
    assert Site.of(replace(reading, workers=())) == Site(always_on=0, node_hd=15, measured=False)
    assert nodes_for(Peak(hd=100), Site.of(reading)).warnings == ()


def test_figures_of_the_guide_are_said_to_be_such_and_a_conference_has_three_media_nodes_at_most() -> None:
    assert "c4.2xlarge" in nodes_for(Peak(hd=100), Site()).sentence
    most = 3 * 14
    fits, too_large = (nodes_for(Peak(hd=200, largest=size), Site(measured=True)) for size in (most, most + 1))
    assert fits.warnings == ()
    assert f"take {most} of the {most + 1} calls" in too_large.sentence


def test_what_all_nodes_cost_an_hour_is_said_where_a_price_is_known() -> None:
    assert "$1.70 an hour" in nodes_for(Peak(hd=150), Site(), price=0.34).sentence


def test_the_command_says_it_in_a_sentence_or_for_a_program() -> None:
    said = CliRunner().invoke(main, ["size", "--hd", "150"]).stdout
    assert said.startswith("The peak needs 150 HD connections, 80 are always on: 5 overflow nodes of 15")
    assert json.loads(CliRunner().invoke(main, ["size", "--hd", "150", "--json"]).stdout)["nodes"] == 5
