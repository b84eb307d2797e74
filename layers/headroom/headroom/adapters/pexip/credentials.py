"""What people put into the secret: read as it is meant where that is plain, else one sentence that names the field."""

import re
import ssl
from collections.abc import Mapping
from typing import Any

import msgspec

from headroom.adapters.pexip.errors import PexipDeniedError

BLOCK = re.compile(r"-----BEGIN (?P<label>[A-Z0-9 ]+)-----(?P<body>.*?)-----END (?P=label)-----", re.DOTALL)
CERTIFICATES = {"CERTIFICATE", "X509 CERTIFICATE"}
LINE = 64  # characters of a PEM block's line
ADVICE = 'put {"username": …, "password": …} or {"client_id": …, "private_key": …} into it, and "ca" if needed.'
CLIENTS = "Users & Devices > OAuth2 clients"


class Credentials(msgspec.Struct):
    """What the secret holds: a username and password, or an OAuth2 client and its private key; a CA if it is private.

    `audience` is the token URL as the Management Node calls itself, where that differs from the address we use.
    """

    username: str = ""
    password: str = ""
    client_id: str = ""
    private_key: str = ""
    audience: str = ""
    ca: str = ""

    @classmethod
    def parse(cls, secret: str) -> "Credentials":
        """Read the secret's JSON; raise PexipDeniedError, which names the field, if it holds no usable credentials.

        Capital letters in a key, keys that are not known, blanks and line ends around a value, a byte order mark, and PEM blocks
        whose line ends were lost or written as backslash-n do not matter.
        """
        found = _fields(secret)
        texts = {name: _text(name, found[name]) for name in cls.__struct_fields__ if found.get(name) is not None}
        if key := texts.get("private_key"):
            texts["private_key"] = _private_key(key)
        if ca := texts.get("ca"):
            texts["ca"] = _certificates(ca)
        made = cls(**texts)
        if not (made.username and made.password) and not (made.client_id and made.private_key):
            unknown = ", ".join(sorted(set(found) - set(cls.__struct_fields__)))
            has = f" (it has {unknown[:200]}, which Headroom does not know)" if unknown else ""
            raise PexipDeniedError(f"The Pexip secret holds no credentials{has}: {ADVICE}")
        return made


def _fields(secret: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(secret.lstrip("\ufeff").strip())
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise PexipDeniedError(f"The Pexip secret cannot be used, as it is no JSON: {ADVICE}") from error
    if not isinstance(found, Mapping):
        raise PexipDeniedError(f"The Pexip secret cannot be used, as it is no JSON object: {ADVICE}")
    return {str(name).strip().lower(): value for name, value in found.items()}


def _text(name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise PexipDeniedError(f"The field {name} of the Pexip secret is no text: write it in quotation marks.")
    text = str(value).lstrip("\ufeff")
    text = text.strip("\r\n") if name == "password" else text.strip()  # a password may begin or end with a blank
    if name not in {"private_key", "ca"} and not text.isprintable():
        raise PexipDeniedError(
            f"The field {name} of the Pexip secret has a line end or another control character in it: paste it once more."
        )
    return text


def _blocks(text: str) -> list[tuple[str, str]]:
    """Return the PEM blocks of a text, each with its label, written as they should be."""
    found = []
    for block in BLOCK.finditer(text.replace("\\r", "").replace("\\n", "\n")):
        body = "".join(block["body"].split())
        lines = "\n".join(body[at : at + LINE] for at in range(0, len(body), LINE))
        found.append((block["label"], f"-----BEGIN {block['label']}-----\n{lines}\n-----END {block['label']}-----\n"))
    return found


def _private_key(text: str) -> str:
    found = [(label, pem) for label, pem in _blocks(text) if label.endswith("PRIVATE KEY")]
    if len(found) != 1:
        raise PexipDeniedError(
            "The field private_key of the Pexip secret holds no private key in PEM form: it begins with «-----BEGIN PRIVATE "
            f"KEY-----». Pexip shows it once, when the client is made under {CLIENTS}."
        )
    [(label, pem)] = found
    if "ENCRYPTED" in label or "ENCRYPTED" in text:
        raise PexipDeniedError(
            "The private_key in the Pexip secret is encrypted: put it there without its passphrase "
            "(openssl pkey -in key.pem -out plain.pem)."
        )
    if label == "RSA PRIVATE KEY":
        raise PexipDeniedError(
            f"The private_key in the Pexip secret is an RSA key; Pexip's OAuth2 clients have an EC key (ES256): see {CLIENTS}."
        )
    return pem


def _certificates(text: str) -> str:
    """Return the certificates of a text; a private key or other words beside them are left out."""
    found = "".join(pem.replace(label, "CERTIFICATE") for label, pem in _blocks(text) if label in CERTIFICATES)
    try:
        if found:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=found)
            return found
        why = "it has no block «-----BEGIN CERTIFICATE-----»"
    except (ssl.SSLError, ValueError) as error:
        why = str(error)
    raise PexipDeniedError(
        f"The field ca of the Pexip secret holds no certificate that can be used ({why}): put the certificate of the CA there "
        "that signed the Management Node's, in PEM form; or leave the field out if that CA is a public one."
    )
