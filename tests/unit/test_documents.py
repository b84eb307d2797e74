"""Documents are those of this code: pages made from it, and a row for every issue."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from headroom_lab import documents

DOMAIN = documents.ROOT / "layers/headroom/headroom/domain"
SOURCES = (
    *(DOMAIN / "planning" / name for name in ("issues.py", "planning.py")),
    *(DOMAIN / "fleet" / name for name in ("fleet.py", "reconciling.py")),
)


def test_the_page_of_parameters_is_the_template_s() -> None:
    made = documents.parameters((documents.ROOT / "template.yaml").read_text())
    assert (documents.ROOT / "docs/parameters.md").read_text() == made, "python -m headroom_lab.documents writes it"


def test_the_page_of_commands_is_the_command_s() -> None:
    assert (documents.ROOT / "docs/commands.md").read_text() == documents.commands(), (
        "python -m headroom_lab.documents writes it"
    )


def sentences(path: Path) -> Iterator[str]:
    """Every `what=` of an issue in a module, with … for what is filled in."""
    for call in ast.walk(ast.parse(path.read_text())):
        if isinstance(call, ast.Call):
            for keyword in call.keywords:
                if keyword.arg == "what":
                    yield from (text for text in _texts(keyword.value) if len(text.strip("… ")) > 8)


def _texts(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts)
        case ast.IfExp(body=one, orelse=other):
            yield from (*_texts(one), *_texts(other))


def test_every_issue_of_a_plan_has_its_row_with_what_to_do() -> None:
    """A row names an issue by a part of its sentence, with … for the rest."""
    _, _, section = (documents.ROOT / "docs/operating.md").read_text().partition("# Issues that a plan shows")
    named = [name for row in re.findall(r"^\| (.+?) \| .+ \|$", section, re.MULTILINE) for name in row.split("; ")]
    patterns = [".*".join(re.escape(part.strip()) for part in name.split("…")) for name in named]
    said = [sentence for path in SOURCES for sentence in sentences(path)]
    assert len(said) > 15
    assert [one for one in said if not any(re.search(pattern, one) for pattern in patterns if len(pattern) > 8)] == []
