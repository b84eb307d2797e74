"""`pip install .` at the top of the checkout installs what `pip install ./cli` does: the operator's command."""

import os
from pathlib import Path

from hatchling.build import *  # noqa: F403 - the build hooks are hatchling's; the folder is ours

os.chdir(Path(__file__).parent)
