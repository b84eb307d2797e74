"""What a package's modules import, by whatever form of import, read from their source."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

DYNAMIC = {"import_module", "__import__"}


@dataclass(frozen=True, slots=True)
class Import:
    """One import: which module asks, in which line, for what."""

    module: str
    line: int
    imported: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.imported}"


def modules_of(package: Path) -> dict[str, Path]:
    """Return every module of a package, at any depth."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(package: Path) -> Iterator[Import]:
    """Yield every import of every module: at the top or in a function, relative, for types only, or by name."""
    modules = modules_of(package)
    for module, path in modules.items():
        here = module if path.stem == "__init__" else module.rpartition(".")[0]
        for node in ast.walk(ast.parse(path.read_text())):
            for name in _imported(node, here, set(modules)):
                yield Import(module, getattr(node, "lineno", 0), name)


def _imported(node: ast.AST, here: str, modules: set[str]) -> Iterator[str]:
    match node:
        case ast.Import():
            yield from (alias.name for alias in node.names)
        case ast.ImportFrom():
            base = here.split(".")[: len(here.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                yield inner if inner in modules else source
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[first, *_]) if name in DYNAMIC:
            yield str(first.value) if isinstance(first, ast.Constant) else "what nobody can tell"


def upwards(imports: Iterator[Import], floors: tuple[tuple[str, ...], ...]) -> list[str]:
    """Return the imports that go up; a floor is the packages and modules that stand on it."""

    def floor_of(module: str) -> int:
        holders = [
            (len(name), number)
            for number, floor in enumerate(floors)
            for name in floor
            if module == name or module.startswith(f"{name}.")
        ]
        return max(holders)[1] if holders else -1

    own = {name.split(".")[0] for floor in floors for name in floor}
    found = []
    for each in imports:
        if each.imported.split(".")[0] in own:
            here, there = floor_of(each.module), floor_of(each.imported)
            if here < 0 or there < 0 or there > here:
                found.append(str(each))
    return found


def circle(imports: Iterator[Import], package: str) -> list[str]:
    """Return the modules of a circle of imports, if there is one."""
    graph: dict[str, set[str]] = {}
    for each in imports:
        if each.imported.split(".")[0] == package and each.imported != each.module:
            graph.setdefault(each.module, set()).add(each.imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [str(module) for module in error.args[1]]
    return []
