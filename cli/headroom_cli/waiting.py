"""Wait in real time, even if a demo's clock runs faster."""

import time


def wait(seconds: float) -> None:
    """Sleep for that many real seconds."""
    time.sleep(seconds)
