"""TLS towards what is checked, and its failures in Go's words."""

from __future__ import annotations

import ssl
from functools import cache

_UNKNOWN_ISSUER = (18, 19, 20, 21)
_EXPIRED = (9, 10)
_WRONG_NAME = (62, 64)
"""What OpenSSL numbers X509_V_ERR_... so: an issuer that nobody vouches for, times, the name or address."""


@cache
def client_context(*, verify: bool, h2: bool = False) -> ssl.SSLContext:
    """A context with the system's authorities, which take milliseconds to load: so there is one of a kind."""
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if h2:
        context.set_alpn_protocols(["h2"])
    return context


def tls_error(error: ssl.SSLError, name: str) -> str:
    """Why a handshake failed with a server that should be `name`."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _UNKNOWN_ISSUER:
            return "x509: certificate signed by unknown authority"
        if error.verify_code in _EXPIRED:
            return "x509: certificate has expired or is not yet valid"
        if error.verify_code in _WRONG_NAME:
            return f"x509: certificate is not valid for {name}"
        return f"x509: {error.verify_message}"
    if error.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"):
        return "tls: first record does not look like a TLS handshake"
    return f"tls: {(error.reason or str(error)).lower().replace('_', ' ')}"
