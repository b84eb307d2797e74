"""A new node's form is read as a browser would read it, whatever its fields are called."""

from collections.abc import Callable
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter

from headroom.adapters.pexip.form import Form
from headroom.domain.planning.promises import BadRequestError
from headroom.domain.safety.permission import NotReadyError
from headroom_lab.pexip.form import parts_of

PAGE = """<html><form action="/login"><input type="hidden" name="next" value="/"><input name="user"></form>
<FORM action="take/" method=post><input type=hidden name=token value="s3cret"><input type='file' name='config'></form></html>"""


class Answers(BaseAdapter):
    """Answers each request, and keeps it."""

    def __init__(self, answer: Callable[[requests.PreparedRequest], tuple[int, str]]) -> None:
        super().__init__()
        self.given, self.asked = answer, list[requests.PreparedRequest]()

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        self.asked.append(request)
        status, body = self.given(request)
        response = requests.Response()
        response.status_code, response.url, response.request = status, request.url or "", request
        response._content = body.encode()
        vars(response)["_content_consumed"] = True
        return response

    def close(self) -> None:
        pass


def form_with(answer: Callable[[requests.PreparedRequest], tuple[int, str]]) -> tuple[Form, Answers]:
    form, answers = Form("https://{address}:8443/"), Answers(answer)
    form.session.mount("https://", answers)
    return form, answers


def test_the_file_goes_into_the_file_field_and_what_is_hidden_goes_back() -> None:
    form, answers = form_with(lambda request: (200, PAGE if request.method == "GET" else "Applied."))
    form.upload("10.0.0.9", b"<xml/>")
    _, sent = answers.asked
    assert sent.url == "https://10.0.0.9:8443/take/"
    assert sent.headers["Referer"] == "https://10.0.0.9:8443/"
    assert isinstance(sent.body, bytes)
    assert parts_of(str(sent.headers["Content-Type"]), sent.body) == {"token": "s3cret", "config": "<xml/>"}


def test_no_proxy_sees_what_is_uploaded() -> None:
    form, _ = form_with(lambda _: (200, PAGE))
    assert form.session.trust_env is False


def refuses(_: requests.PreparedRequest) -> tuple[int, str]:
    raise requests.ConnectionError("Connection refused")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (refuses, "does not answer yet"),
        (lambda _: (404, PAGE), "shows no form .* answered 404"),
        (lambda _: (302, ""), "shows no form"),
        (lambda _: (200, "<html>Starting up</html>"), "shows no form"),
        (lambda _: (200, "\x00\xff" * 99), "shows no form"),
        (lambda _: (200, '<form><input type="file"></form>'), "shows no form"),
    ],
)
def test_a_form_that_is_not_there_yet_is_waited_for(
    answer: Callable[[requests.PreparedRequest], tuple[int, str]], why: str
) -> None:
    form, _ = form_with(answer)
    assert not form.is_there("10.0.0.9")
    with pytest.raises(NotReadyError, match=why):
        form.upload("10.0.0.9", b"<xml/>")


def test_a_node_that_cannot_take_it_now_is_asked_again() -> None:
    form, _ = form_with(lambda request: (200, PAGE) if request.method == "GET" else (503, ""))
    assert form.is_there("10.0.0.9")
    with pytest.raises(NotReadyError, match="did not take its configuration: it answered 503"):
        form.upload("10.0.0.9", b"<xml/>")


@pytest.mark.parametrize("answer", [(403, "CSRF verification failed."), (200, PAGE), (413, "")])
def test_a_node_that_refuses_it_is_not_asked_again(answer: tuple[int, str]) -> None:
    """Each try would delete and create the node in Pexip; a page with its form again is how Django says no."""
    form, _ = form_with(lambda request: (200, PAGE) if request.method == "GET" else answer)
    with pytest.raises(BadRequestError, match="upload it by hand as Pexip's guide says"):
        form.upload("10.0.0.9", b"<xml/>")


def test_what_another_form_of_the_page_hides_is_not_sent() -> None:
    after = PAGE.replace("</html>", '<form action="/out"><input type=hidden name=session value=x></form></html>')
    form, answers = form_with(lambda request: (200, after if request.method == "GET" else "Applied."))
    form.upload("10.0.0.9", b"<xml/>")
    sent = answers.asked[1]
    assert isinstance(sent.body, bytes)
    assert set(parts_of(str(sent.headers["Content-Type"]), sent.body)) == {"token", "config"}


def test_an_answer_that_gets_lost_may_mean_that_it_was_taken_and_is_looked_at_again() -> None:
    form, _ = form_with(lambda request: (200, PAGE) if request.method == "GET" else refuses(request))
    with pytest.raises(NotReadyError, match="has not answered"):
        form.upload("10.0.0.9", b"<xml/>")
