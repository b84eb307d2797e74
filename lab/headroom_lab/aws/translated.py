"""What AWS makes of a template: SAM's own translation of it, for a region, without an account."""

from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from samtranslator.translator import arn_generator
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).parents[3]


@cache
def translated(region: str = "eu-central-1", stack: Path = ROOT) -> dict[str, Any]:
    """Return a stack's template as CloudFormation gets it in this region; artefacts are where `sam package` would put them."""
    given = yaml_parse((stack / "template.yaml").read_text())
    for one in given["Resources"].values():
        for uri in {"CodeUri", "ContentUri", "DefinitionUri"} & set(one.get("Properties", {})):
            one["Properties"][uri] = "s3://bucket/key"
    with (
        patch.dict("os.environ", AWS_DEFAULT_REGION=region),
        patch.object(arn_generator, "_get_region_from_session", lambda: region),
    ):
        made: dict[str, Any] = transform(given, {}, SimpleNamespace(load=dict))
    return made
