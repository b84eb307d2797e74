"""What the controllers are called that are compared, in the order in which they are shown."""

NATIVE, HEADROOM, ORACLE = "native", "headroom", "oracle"
HUNG = "headroom, where 2 % of starts hang"  # which a benchmark adds
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
