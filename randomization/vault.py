"""Sealing and opening single entries under the key that stands outside of the database."""

import base64
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from randomization.rules import sealing

_NONCE: Final = 12
_PLAIN: Final = 33
_TAG: Final = 16
_RULE_STEP: Final = 4096
# The arm byte of an entry that commits a draw instead of an arm.
DRAW: Final = 255


class CannotOpen(Exception):
    """Wrong key, changed ciphertext, or an entry of another place."""


def key_from(text: str) -> bytes:
    """The 32 bytes of SEQUENCE_KEY; raises ValueError for anything else."""
    key = base64.b64decode(text, validate=True)
    if len(key) != 32:
        raise ValueError("SEQUENCE_KEY must be 32 bytes in base64")
    return key


def _bound(trial: str, environment: str, stratum: str, index: int, kind: str) -> bytes:
    return sealing.fields(trial, environment, stratum, index, kind)


def seal(
    key: bytes, *, trial: str, environment: str, stratum: str, index: int, kind: str, arm_byte: int, r: bytes
) -> bytes:
    """One entry as ciphertext: nonce, then AES-256-GCM over one arm byte and r; every entry has the same length."""
    nonce = secrets.token_bytes(_NONCE)
    place = _bound(trial, environment, stratum, index, kind)
    return nonce + AESGCM(key).encrypt(nonce, bytes([arm_byte]) + r, place)


def unseal(
    key: bytes, ciphertext: bytes, *, trial: str, environment: str, stratum: str, index: int, kind: str
) -> tuple[int, bytes]:
    """(arm byte, r) of one entry; raises CannotOpen."""
    if len(ciphertext) != _NONCE + _PLAIN + _TAG:
        raise CannotOpen
    place = _bound(trial, environment, stratum, index, kind)
    try:
        plain = AESGCM(key).decrypt(ciphertext[:_NONCE], ciphertext[_NONCE:], place)
    except InvalidTag as error:
        raise CannotOpen from error
    return plain[0], plain[1:]


def seal_rule(key: bytes, text: str, *, trial: str, environment: str) -> bytes:
    """The specification's text as ciphertext, filled up with blanks to a multiple of 4096 bytes."""
    plain = text.encode()
    plain += b" " * (-len(plain) % _RULE_STEP)
    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, sealing.fields(trial, environment, "rule"))


def unseal_rule(key: bytes, ciphertext: bytes, *, trial: str, environment: str) -> str:
    """The specification's text; raises CannotOpen."""
    if len(ciphertext) < _NONCE + _TAG:
        raise CannotOpen
    place = sealing.fields(trial, environment, "rule")
    try:
        return AESGCM(key).decrypt(ciphertext[:_NONCE], ciphertext[_NONCE:], place).decode().rstrip(" ")
    except InvalidTag as error:
        raise CannotOpen from error
