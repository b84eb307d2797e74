"""What people put into the secret: accepted where the meaning is plain, else one sentence that names the field."""

import json
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from headroom.adapters.pexip.credentials import Credentials
from headroom.adapters.pexip.errors import PexipAnswerError, PexipDeniedError
from headroom.adapters.pexip.token import _read

USER = {"username": "headroom", "password": "s3cret"}
CA = trustme.CA().cert_pem.bytes().decode()
OTHER = trustme.CA().cert_pem.bytes().decode()


def pem(key: Any, passphrase: bytes = b"", form: Any = serialization.PrivateFormat.PKCS8) -> str:
    how = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return bytes(key.private_bytes(serialization.Encoding.PEM, form, how)).decode()


EC = ec.generate_private_key(ec.SECP256R1())
KEY = pem(EC)
OLD = serialization.PrivateFormat.TraditionalOpenSSL
PASTED = {
    "as it is": lambda text: text,
    "with backslash-n": lambda text: text.replace("\n", "\\n"),
    "with CRLF": lambda text: text.replace("\n", "\r\n"),
    "in one line": lambda text: text.replace("\n", " "),
    "indented": lambda text: text.replace("\n", "\n    "),
    "with a byte order mark": lambda text: "\ufeff" + text,
    "with words around": lambda text: f"subject=/CN=ours\n{text}\nend",
    "without its last line end": str.strip,
}


@pytest.mark.parametrize("pasted", PASTED.values(), ids=PASTED)
def test_a_certificate_and_a_key_are_read_however_they_were_pasted(pasted: Any) -> None:
    found = Credentials.parse(json.dumps({"client_id": "h", "private_key": pasted(KEY), "ca": pasted(CA)}))
    assert (found.private_key, found.ca) == (KEY, CA)


def test_a_chain_may_be_in_any_order_and_other_blocks_are_left_out() -> None:
    found = Credentials.parse(json.dumps(USER | {"ca": OTHER + KEY + CA}))
    assert found.ca == OTHER + CA


@pytest.mark.parametrize("written", ["\ufeff{}", "{}\n\n", "  {}  ", "\r\n{}\r\n"])
def test_blanks_around_the_secret_do_not_matter(written: str) -> None:
    assert Credentials.parse(written.replace("{}", json.dumps(USER))) == Credentials(**USER)


@pytest.mark.parametrize(
    "given_",
    [
        {"Username": "headroom", "PASSWORD": "s3cret"},
        {" username ": " headroom\n", "password": "s3cret\r\n"},
        USER | {"note": "made by anna", "engine": None},
        USER | {"ca": None, "client_id": ""},
    ],
)
def test_capital_letters_blanks_and_further_keys_do_not_matter(given_: dict[str, Any]) -> None:
    assert Credentials.parse(json.dumps(given_)) == Credentials(**USER)


def test_a_password_may_be_a_number_and_begin_with_a_blank() -> None:
    assert Credentials.parse(json.dumps(USER | {"password": 12345})).password == "12345"
    assert Credentials.parse(json.dumps(USER | {"password": " s3cret "})).password == " s3cret "


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        pytest.param(USER | {"ca": "see the wiki"}, "The field ca .* holds no certificate", id="words for a CA"),
        pytest.param(USER | {"ca": KEY}, "The field ca .* holds no certificate", id="a key for a CA"),
        pytest.param(
            USER | {"ca": CA.replace("MII", "???", 1)}, "The field ca .* holds no certificate", id="a spoilt CA"
        ),
        pytest.param(USER | {"username": "a\nb"}, "The field username .* line end", id="a line end in a name"),
        pytest.param(USER | {"password": ["x"]}, "The field password .* no text", id="a list"),
        pytest.param({"user": "x"}, "holds no credentials .it has user", id="a wrong key"),
        pytest.param({"client_id": "h", "private_key": "see the wiki"}, "The field private_key", id="words for a key"),
        pytest.param(
            {"client_id": "h", "private_key": pem(EC, b"pw")}, "private_key .* is encrypted", id="an encrypted key"
        ),
        pytest.param(
            {"client_id": "h", "private_key": pem(EC, b"pw", OLD)},
            "private_key .* is encrypted",
            id="encrypted, the old way",
        ),
        pytest.param(
            {"client_id": "h", "private_key": pem(rsa.generate_private_key(65537, 2048), form=OLD)},
            "private_key .* is an RSA key",
            id="an RSA key",
        ),
        pytest.param([], "no JSON object", id="a list for a secret"),
    ],
)
def test_what_cannot_be_used_is_named_in_one_sentence(secret: Any, words: str) -> None:
    with pytest.raises(PexipDeniedError, match=words) as caught:
        Credentials.parse(json.dumps(secret))
    assert "renew" not in str(caught.value)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.sampled_from([*Credentials.__struct_fields__]), inner)
    ),
    max_leaves=12,
)


@given(st.text() | ANY.map(json.dumps))
def test_any_secret_is_credentials_or_one_kind_of_error(secret: str) -> None:
    try:
        found = Credentials.parse(secret)
    except PexipDeniedError:
        return
    assert all(isinstance(getattr(found, name), str) for name in found.__struct_fields__)


@given(
    st.binary()
    | (ANY | st.fixed_dictionaries({"access_token": ANY, "expires_in": ANY})).map(json.dumps).map(str.encode)
)
def test_any_answer_is_a_token_or_one_kind_of_error(body: bytes) -> None:
    try:
        token, lasts = _read(body, "https://manager")
    except PexipAnswerError:
        return
    assert token.isprintable()
    assert 60 <= lasts.total_seconds() <= 3600
