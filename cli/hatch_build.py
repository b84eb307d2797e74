"""Add the layer's package to the command's wheel; an editable install uses it from the checkout."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Layer(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's own generic
    """Adds layers/headroom/headroom."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name it, unless the wheel is an editable one."""
        if version == "standard":
            build_data["force_include"][str(Path(self.root).parent / "layers/headroom/headroom")] = "headroom"
