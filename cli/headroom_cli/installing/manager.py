"""What the Management Node's address shows from here: whether it answers, and with which certificate."""

import hashlib
import re
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

WAITS = 5.0  # seconds for an answer
SELF_SIGNED = 18  # X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT of OpenSSL: a new Management Node's
ADDRESS = re.compile(r"^https://[^/@\s]+$")  # as the template has it


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking: a sentence; and the certificate in PEM form if it is signed by itself."""

    sentence: str
    answers: bool
    certificate: str = ""

    @property
    def fingerprint(self) -> str:
        """The certificate's SHA-256 fingerprint, as browsers show it."""
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.certificate)).hexdigest().upper()
        return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def ask(url: str) -> Answer:
    """Ask for the certificate that this address shows; nothing else is sent."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    trusting = ssl.create_default_context()
    try:
        with (
            socket.create_connection((host, port), timeout=WAITS) as line,
            trusting.wrap_socket(line, server_hostname=host),
        ):
            return Answer(f"{host} answers, and its certificate is trusted here.", answers=True)
    except ssl.SSLCertVerificationError as error:
        said = f"{host} answers, but its certificate is not trusted here: {error.verify_message}."
        if error.verify_code != SELF_SIGNED:
            return Answer(said, answers=True)
        return Answer(said, answers=True, certificate=ssl.get_server_certificate((host, port), timeout=WAITS))
    except ssl.SSLError as error:
        return Answer(
            f"{host} answers, but not with TLS ({error.reason}): is it the Management Node's address?", answers=True
        )
    except OSError as error:
        return Answer(f"{host} does not answer from here ({error}).", answers=False)
