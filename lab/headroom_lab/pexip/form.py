"""A new Conferencing Node's form on port 8443, to which its XML is uploaded once; then it restarts, and the form is gone.

Pexip's deployment guide for AWS says that there is such a form, not what it looks like. Here it is as Django writes one, which
the Management Node uses: the file's name is a switch, and a hidden token has to come back. The forms of all instances are
served beside the Management Node, each under its address.
"""

import email.policy
import secrets
from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.responses import HTMLResponse, Response

from headroom_lab.pexip.resources import Platform

TOKEN = "csrfmiddlewaretoken"  # noqa: S105 - a field's name
PAGE = """<!DOCTYPE html>
<html><head><title>Pexip Conferencing Node</title></head><body>
<form method="post" action="upload/" enctype="multipart/form-data">
<input type="hidden" name="{hidden}" value="{token}">
<input type="file" name="{field}"><input type="submit" value="Upload">
</form></body></html>"""


@dataclass
class Forms:
    """The forms of all instances."""

    platform: Platform
    tokens: set[str] = field(default_factory=set)

    def answer(self, method: str, address: str, content_type: str, body: bytes) -> Response:
        """Show an instance's form, or take its XML, while it is on and was given none yet."""
        if address in self.platform.configured or not self.platform.power.is_up(address, self.platform.world.now):
            return Response(status_code=HTTPStatus.BAD_GATEWAY)
        if method != "POST":
            token = secrets.token_urlsafe(16)
            self.tokens.add(token)
            return HTMLResponse(PAGE.format(hidden=TOKEN, token=token, field=self.platform.world.switches.form_field))
        given = parts_of(content_type, body)
        if given.get(TOKEN) not in self.tokens:
            return Response("CSRF verification failed.", status_code=HTTPStatus.FORBIDDEN)
        if not (xml := given.get(self.platform.world.switches.form_field)):
            return HTMLResponse("<p>This field is required.</p>")
        self.platform.take_bootstrap(address, xml)
        return HTMLResponse("<p>The configuration has been applied. The node restarts.</p>")


def parts_of(content_type: str, body: bytes) -> dict[str, str]:
    """Read a multipart/form-data body."""
    message = email.message_from_bytes(
        f"Content-Type: {content_type}\r\n\r\n".encode() + body, policy=email.policy.HTTP
    )
    return {
        str(part.get_param("name", header="content-disposition")): part.get_content()
        if part.get_content_maintype() == "text"
        else bytes(part.get_payload(decode=True)).decode()
        for part in message.iter_parts()
    }
