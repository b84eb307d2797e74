"""The e2e tests of a file are one story on one stack: each goes on where the one before it ended, and they fail as one."""

import inspect
from typing import Any

import pytest

PASSED: set[str] = set()


def pytest_runtest_setup(item: pytest.Item) -> None:
    module = item.getparent(pytest.Module)
    assert module
    names = [name for name, what in vars(module.obj).items() if name.startswith("test_") and inspect.isfunction(what)]
    before = names[: names.index(_name(item))]
    missing = [name for name in before if f"{module.nodeid}::{name}" not in PASSED]
    if missing:
        pytest.fail(
            f"This file is one story, run it whole: {missing[0]} comes before this and has not passed.", pytrace=False
        )


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    outcome: Any = yield
    report = outcome.get_result()
    key = f"{item.nodeid.partition('::')[0]}::{_name(item)}"
    if report.when == "call" and report.passed and key not in FAILED:
        PASSED.add(key)
    elif report.failed:
        FAILED.add(key)
        PASSED.discard(key)


FAILED: set[str] = set()


def _name(item: pytest.Item) -> str:
    return str(getattr(item, "originalname", item.name))
