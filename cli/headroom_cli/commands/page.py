"""`headroom page`: the same as the dashboard, on localhost, with charts."""

import click

from headroom_cli.options import stack_option


@click.command()
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Port to serve on; a free one by default.")
@click.option("--open", "opens", is_flag=True, help="Also open the page in your browser.")
@stack_option
def page(port: int, stack: str, *, opens: bool) -> None:
    """Serve status, nodes, charts and history on localhost, until Ctrl-C; its buttons do what the commands do."""
    import os
    import signal
    import threading
    import webbrowser

    from headroom_cli.page.server import page_of, serving
    from headroom_cli.stack import stack_of

    deployed = stack_of(stack)
    made = page_of(deployed.ledger, deployed.operator, deployed.who, deployed.parameters)
    for number in (signal.SIGINT, signal.SIGTERM):  # a script's background jobs begin with Ctrl-C ignored
        signal.signal(number, signal.default_int_handler)
    try:
        with serving(made, port):
            click.echo(f"{made.address}\nOnly this address opens the page, while this command runs. Ctrl-C ends it.")
            if opens:
                webbrowser.open(made.address)
            threading.Event().wait()
    except OSError as error:
        raise click.ClickException(f"Port {port} cannot be used: {os.strerror(error.errno or 0)}.") from error
    except KeyboardInterrupt:
        click.echo("Ended.")
