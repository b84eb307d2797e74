"""The documents that are made from the code are those of this code."""

from headroom_lab import documents


def test_the_page_of_parameters_is_the_template_s() -> None:
    made = documents.parameters((documents.ROOT / "template.yaml").read_text())
    assert (documents.ROOT / "docs/parameters.md").read_text() == made, "python -m headroom_lab.documents writes it"


def test_the_page_of_commands_is_the_command_s() -> None:
    assert (documents.ROOT / "docs/commands.md").read_text() == documents.commands(), (
        "python -m headroom_lab.documents writes it"
    )
