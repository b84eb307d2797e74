"""The tags by which instances are found, and what a lost node's alarm is called."""

import re

TAG = "pexip-cloud"  # Pexip's own: its value is the Management Node's hostname
BY, NODE = "headroom-stack", "headroom-node"  # of what the optional stack has made: Headroom's stack, and the node
# Alarm names are not documented; this is what a lost node's alarm is taken to look like.
CONNECTIVITY = re.compile(r"connectivity|unreachable", re.IGNORECASE)
