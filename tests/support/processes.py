"""What a piece of Python prints in a process of its own, in which sets and dicts of strings have another order."""

import os
import subprocess
import sys


def printed(script: str, hash_seed: int) -> str:
    """Return what the script prints; raise CalledProcessError if it fails."""
    environ = os.environ | {"PYTHONHASHSEED": str(hash_seed)}
    done = subprocess.run([sys.executable, "-c", script], env=environ, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout
