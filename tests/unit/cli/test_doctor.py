"""What the doctor found, shown to people and saved without names."""

import json

from rich.console import Console

from headroom.domain.demand.forecasting import PastDay, Profile
from headroom.domain.doctor.checks import examine
from headroom.domain.doctor.facts import Facts
from headroom.usecases.examine import peaks_of
from headroom_cli.doctor.showing import facts_of, page_of, sentence_of
from tests.support.builders import NOW
from tests.support.sites import read, site


def test_the_most_of_past_days_is_of_all_their_minutes_and_a_gap_is_none() -> None:
    day = PastDay(day=NOW.date(), used=(3.0, None, 41.0, 7.0))
    assert peaks_of([Profile(location="Oslo", zone="UTC", days=(day,)), Profile(location="Malmö", zone="UTC")]) == {
        "Oslo": 41.0,
        "Malmö": 0.0,
    }


def page(facts: Facts) -> str:
    console = Console(width=120, record=True, file=None)
    with console.capture() as shown:
        console.print(page_of(list(examine(facts))))
    return shown.get()


def test_the_page_begins_with_what_is_wrong_and_ends_with_a_sentence() -> None:
    assert page(site()).rstrip().endswith("checks are well, 0 could not be looked at.")
    assert sentence_of(list(examine(site()))).startswith("Nothing is wrong; ")
    lines = page(read(clock_off=75.0)).splitlines()
    assert "✗ error" in lines[0]
    assert "What to do: Correct NTP" in lines[1] + lines[2]


def test_a_file_of_facts_names_nobody() -> None:
    who = "User: arn:aws:sts::123456789012:assumed-role/AcmeAdmins/anna is not authorized, account 123456789012"
    facts = site(
        answers={"status/v1/worker_vm": [{"sync_status": "SYNCED", "name": "there"}]},
        unknown={"vcpu_quota": f"AWS did not say: {who}"},
        versions={"mgr-of-acme": "37"},
        host="pexip.acme.example",
    )
    text = facts_of(facts, examine(facts))
    assert json.loads(text)["reading"]["settings"]["bursting_threshold"] == 5
    for name in ("manager.example.com", "Stockholm", "burst-1", "AWS burst", "10.20.1.1", "198.51.100.1", "i-0000"):
        assert name not in text, name
    for name in ("123456789012", "AcmeAdmins", "anna", "mgr-of-acme", "acme.example"):
        assert name not in text, name
