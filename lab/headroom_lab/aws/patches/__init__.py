"""What the engine gets wrong and Headroom relies on: one module a service, one contract test a patch.

The engine is pinned exactly, as every patch replaces a private name of it; `replace` fails loudly when one is gone.
"""

from collections.abc import Callable
from types import ModuleType
from typing import Any

PINNED = "1.5.33"


class EngineChangedError(Exception):
    """The engine is not the one that these patches were written for."""


def replace(module: ModuleType, name: str, by: Callable[[Any], Any]) -> None:
    """Put `by(original)` in place of a name in a module of the engine."""
    if not hasattr(module, name):
        raise EngineChangedError(f"{module.__name__} has no {name}: look at this patch again for ministack {PINNED}")
    setattr(module, name, by(getattr(module, name)))
