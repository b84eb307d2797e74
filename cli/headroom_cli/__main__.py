"""`python -m headroom_cli` is `headroom`."""

from headroom_cli.main import main

main(prog_name="headroom")
