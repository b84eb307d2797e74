"""A release depends on nothing but its contents, installs without a checkout, and says what is in it."""

import re
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import click
import pytest
from samtranslator.yaml_helper import yaml_parse

from headroom_cli.installing import deploying
from headroom_lab.packing import ReleaseError, licence_of, pack, release
from tests.support.template import ROOT

# Licences that allow what Headroom does: ship the library beside its own code, unchanged
FREE = re.compile(
    r"MIT|BSD|Apache|PSF|Python Software Foundation|MPL|Mozilla|ISC|Unlicense|Zlib|CC0|HPND", re.IGNORECASE
)

OTHERWISE = {  # at the desk alone, and never shipped
    "axe-playwright-python": "names none in its metadata; MIT in its repository",
    "cookiecutter": "names none in its metadata; BSD-3-Clause in its repository; SAM brings it",
    "pygal": "LGPL: the command imports it unchanged",
    "text-unidecode": "the Artistic License, of which one may choose; SAM brings it",
}


def built(template: Path, _architecture: str, into: Path) -> None:
    """As SAM leaves it: everything inside, but the state machines where the checkout has them."""
    given = template.read_text().replace("../layers", "layers")
    for folder in re.findall(r"(?:CodeUri|ContentUri): (\S+)", given):
        (into / folder).mkdir(parents=True)
        (into / folder / "app.py").write_text(folder)
        (into / folder / "__pycache__").mkdir()
        (into / folder / "__pycache__/app.pyc").write_bytes(b"as it happens")
    (into / "template.yaml").write_text(given.replace("DefinitionUri: ", "DefinitionUri: ../../somewhere/"))


def test_a_release_has_all_that_its_template_names(tmp_path: Path) -> None:
    archive, digest = release(tmp_path, "arm64", built)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path / "elsewhere")
    [root] = (tmp_path / "elsewhere").iterdir()
    for stack in (root, root / "provisioning"):
        for one in yaml_parse((stack / "template.yaml").read_text())["Resources"].values():
            for uri in {"CodeUri", "ContentUri", "DefinitionUri"} & set(one.get("Properties", {})):
                assert (stack / one["Properties"][uri]).exists(), one["Properties"][uri]
    assert list(root.rglob("*.pyc")) == []
    assert (tmp_path / f"{archive.name}.sha256").read_text() == f"{digest}  {archive.name}\n"


def test_it_is_installed_as_it_is_and_for_its_own_processor_only(tmp_path: Path) -> None:
    archive, _ = release(tmp_path, "arm64", built)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(tmp_path)
    template = tmp_path / archive.stem / "template.yaml"
    optional = template.parent / "provisioning/template.yaml"
    assert deploying.build(template, "arm64") == template, "nothing is built"
    assert deploying.build(optional, "arm64") == optional
    with pytest.raises(click.ClickException, match="built for arm64"):
        deploying.build(optional, "x86_64")


def test_two_builds_that_differ_are_no_release(tmp_path: Path) -> None:
    times = iter("abcd")

    def otherwise(template: Path, architecture: str, into: Path) -> None:
        built(template, architecture, into)
        (into / "when").write_text(next(times))

    with pytest.raises(ReleaseError, match="Two builds differ"):
        release(tmp_path, "arm64", otherwise)
    assert list(tmp_path.iterdir()) == []


def test_an_archive_does_not_know_when_or_in_which_order_its_files_were_written(tmp_path: Path) -> None:
    one = pack({"a": b"1", "b": b"2"}, "headroom", tmp_path / "one.zip")
    assert pack({"b": b"2", "a": b"1"}, "headroom", tmp_path / "two.zip") == one
    assert pack({"a": b"1", "b": b"3"}, "headroom", tmp_path / "three.zip") != one


@pytest.mark.parametrize("lock", ["layers/headroom/requirements.txt", "requirements/desk.txt"])
def test_every_library_has_a_licence_that_lets_us_use_it(lock: str) -> None:
    names = re.findall(r"^([A-Za-z0-9_.-]+)==\S+(?! ;)", (ROOT / lock).read_text(), re.MULTILINE)
    installed = {name: licence_of(name) for name in names if _is_here(name)}
    assert len(installed) >= len(names) * 0.8
    odd = {name for name, licence in installed.items() if not FREE.search(licence)}
    assert odd == (set(OTHERWISE) if lock == "requirements/desk.txt" else set())


def _is_here(name: str) -> bool:
    try:
        return bool(distribution(name))
    except ModuleNotFoundError:
        return False
