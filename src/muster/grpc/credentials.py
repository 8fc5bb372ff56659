"""A server's TLS credentials, from PEM files."""

from __future__ import annotations

import ssl
from pathlib import Path

import grpc

from muster.model.errors import BadConfiguration
from muster.serve.settings import TLS


def server_credentials(tls: TLS) -> grpc.ServerCredentials:
    """Reads the files. Raises BadConfiguration for one that is missing or wrong."""
    pair = (_read(tls.key), _read(tls.certificate))
    authorities = None if tls.client_ca is None else _read(tls.client_ca)
    _check(tls)
    return grpc.ssl_server_credentials([pair], authorities, require_client_auth=authorities is not None)


def _read(path: Path | str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BadConfiguration(f"TLS file {str(path)!r} cannot be read: {error.strerror}") from error


def _check(tls: TLS) -> None:
    """gRPC takes any bytes, and says no more than that it failed to bind; OpenSSL's own loader tells what is wrong."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.certificate, tls.key)
    except ssl.SSLError as error:
        files = f"{str(tls.certificate)!r} and {str(tls.key)!r}"
        raise BadConfiguration(
            f"{files} are no certificate and its key in PEM form: {error.reason or error}"
        ) from error
    if tls.client_ca is None:
        return
    try:
        context.load_verify_locations(tls.client_ca)
    except ssl.SSLError as error:
        raise BadConfiguration(
            f"{str(tls.client_ca)!r} has no certificate authority in PEM form: {error.reason or error}"
        ) from error
