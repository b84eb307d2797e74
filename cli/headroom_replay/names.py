"""What the controllers are called that are compared, in the order in which they are shown."""

NATIVE, HEADROOM, ORACLE = "native", "headroom", "oracle"
NAMES = (
    "none",
    "always-on",
    NATIVE,
    "native-either",
    "native-impatient",
    "native+0850",
    "target-tracking",
    "perfect-forecast",
    HEADROOM,
    ORACLE,
)
