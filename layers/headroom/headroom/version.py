"""Which code decides: the release, and a digest of the domain, so that a plan can be made again by the same code."""

from functools import cache
from pathlib import Path

import headroom
from headroom.domain.history.chain import digest_of

SHORT = 12


@cache
def code_version() -> str:
    """Return the version and the digest, as `0.1.0+4f2a…`."""
    return f"{headroom.__version__}+{digest_of_code(Path(__file__).parent / 'domain')[:SHORT]}"


def digest_of_code(folder: Path) -> str:
    """Return the digest of every source in a folder and those below it."""
    return digest_of(b"".join(source.read_bytes() for source in sorted(folder.rglob("*.py"))))
