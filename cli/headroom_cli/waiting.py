"""Wait as the person at the terminal does: in real time, even where a demo's clock runs sixty times as fast."""

import time


def wait(seconds: float) -> None:
    """Sleep so many real seconds."""
    time.sleep(seconds)
