"""The tags by which instances are found, and what a lost node's alarm is called."""

import re

TAG = "pexip-cloud"  # Pexip's own: its value is the Management Node's hostname
# Of what the optional stack has made: Headroom's stack, the node, and the execution that has run it
BY, NODE, RUN = "headroom-stack", "headroom-node", "headroom-run"
# Alarm names are not documented; this is what a lost node's alarm is taken to look like.
CONNECTIVITY = re.compile(r"connectivity|unreachable", re.IGNORECASE)
