"""A second port, with TLS and a certificate that is made at each start: botocore sends a bearer token over nothing else."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from local.emulator.rewriting import rewrite

DAYS = 30


def listen(ministack: Any, port: int, certificate: Path) -> None:
    """Serve the same over TLS on a port. Programs that trust the file `certificate` can call it."""
    key = certificate.with_suffix(".key")
    _make(certificate, key)
    ministack.TLS = {
        "bind": [f"127.0.0.1:{port}"],
        "certfile": str(certificate),
        "keyfile": str(key),
        "alpn_protocols": ["http/1.1"],  # over HTTP/2 the server cuts long answers to Node.js
    }
    bound = 'config.bind = [f"{bind_host}:{port}"]'
    rewrite(
        ministack,
        "main",
        (bound, 'config.insecure_bind = [f"{bind_host}:{port}"]; [setattr(config, *x) for x in TLS.items()]'),
    )


def _make(certificate: Path, key: Path) -> None:
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Fitting Room on this machine")])
    now = datetime.datetime.now(datetime.UTC)
    loopback = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    identifier = x509.SubjectKeyIdentifier.from_public_key(private.public_key())
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName(loopback), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    key.chmod(0o600)
