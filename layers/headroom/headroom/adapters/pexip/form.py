"""A new node's own form on port 8443, to which its configuration is uploaded once.

Pexip's deployment guide names the page and not its fields. So the form is read as a browser would: its first file field takes
the XML, and what is hidden in it is sent back. The node has no certificate that anybody could check: it was made a minute ago,
and gets its own with this configuration. The address is private, and the node's security group lets only the management station
and these functions reach the port.
"""

from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from urllib.parse import urljoin

import requests
import urllib3

from headroom.domain.planning.promises import BadRequestError
from headroom.domain.safety.permission import NotReadyError

PATIENCE = (5.0, 20.0)  # seconds to connect, and to answer
MOST = 1_000_000  # bytes of a page


@dataclass
class _Form(HTMLParser):
    """The first form of a page that takes a file."""

    action: str = ""
    file: str = ""
    hidden: dict[str, str] = field(default_factory=dict)
    is_over: bool = False

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take what matters of a form's fields."""
        given = {name: value or "" for name, value in attrs}
        if self.is_over:
            return
        if tag == "form":
            self.action, self.hidden = given.get("action", ""), {}
        if tag == "input" and given.get("type") == "file":
            self.file = self.file or given.get("name", "")
        if tag == "input" and given.get("type") == "hidden" and given.get("name"):
            self.hidden[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """End with the form that takes a file."""
        self.is_over = self.is_over or (tag == "form" and bool(self.file))


@dataclass
class Form:
    """The form of any node; `url` has {address} where the node's private address belongs."""

    url: str

    @cached_property
    def session(self) -> requests.Session:
        """Without proxies, which would see the configuration, and without a check of the certificate, as said above."""
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        session = requests.Session()
        session.trust_env = False
        session.verify = False
        return session

    def is_there(self, address: str) -> bool:
        """Say whether a node shows its form."""
        try:
            self._read(address)
        except NotReadyError:
            return False
        return True

    def upload(self, address: str, xml: bytes) -> None:
        """Give a node its configuration.

        Raise NotReadyError if it does not take it now, BadRequestError if it refuses it: to try again would be no use.
        """
        form, url = self._read(address)
        files = {form.file: ("configuration.xml", xml, "text/xml")}
        where = urljoin(url, form.action)
        try:
            answer = self.session.post(
                where, data=form.hidden, files=files, headers={"Referer": url}, timeout=PATIENCE, allow_redirects=False
            )
        except requests.RequestException as error:
            raise NotReadyError(
                f"{address} was given its configuration and has not answered ({_name(error)})."
            ) from error
        if answer.status_code >= requests.codes.server_error:
            raise NotReadyError(f"{address} did not take its configuration: it answered {answer.status_code}.")
        if answer.status_code >= requests.codes.bad_request or _form_in(answer.text).file:
            raise BadRequestError(
                f"{address} refused its configuration (it answered {answer.status_code}, with its form again if that is 200): "
                "upload it by hand as Pexip's guide says, or remove the node."
            )

    def _read(self, address: str) -> tuple[_Form, str]:
        url = self.url.replace("{address}", address)
        try:
            with self.session.get(url, timeout=PATIENCE, allow_redirects=False, stream=True) as answer:
                page = next(answer.iter_content(MOST), b"")
        except requests.RequestException as error:
            raise NotReadyError(
                f"{url} does not answer yet ({_name(error)}): if that goes on, let these functions reach port 8443."
            ) from error
        form = _form_in(page.decode(errors="replace"))
        if answer.status_code != requests.codes.ok or not form.file:
            raise NotReadyError(f"{url} shows no form for a configuration (it answered {answer.status_code}).")
        return form, url


def _form_in(page: str) -> _Form:
    form = _Form()
    form.feed(page)
    return form


def _name(error: Exception) -> str:
    return type(error).__name__
