"""The engine's own process: check the pin, apply the patches, serve. Started by `headroom_lab.aws.embedded`."""

import sys
from importlib.metadata import version

from headroom_lab.aws.patches import PINNED, EngineChangedError


def main() -> None:
    """Serve until told to stop."""
    found = version("ministack")
    if found != PINNED:
        raise EngineChangedError(f"ministack is {found}, but its patches were written for {PINNED}")
    from headroom_lab.aws.patches import (  # noqa: PLC0415 - importing them starts the engine's services
        cloudformation,
        control,
        ec2,
        functions,
        roles,
        scheduler,
        stepfunctions,
        streams,
        time,
        topics,
    )

    for patch in (time, scheduler, cloudformation, ec2, stepfunctions, functions, streams, roles, topics, control):
        patch.apply()
    from ministack.app import main as serve  # noqa: PLC0415

    sys.argv = ["ministack"]
    serve()


if __name__ == "__main__":
    main()
