"""Keys of what identifies a person: data keys wrapped by a ring, and blind indexes.

Each participant has one data key. It encrypts the contact details and stands in the database wrapped by the first
key of DATA_KEYS; whoever destroys the wrapped key has destroyed what it encrypted, in every copy of the ciphertext.
A blind index is an HMAC-SHA256 over the normalised text, keyed for its purpose alone by HKDF (RFC 5869) from
INDEX_KEYS: equal texts have equal digests, and without the key nobody can try out telephone numbers.
"""

import hashlib
import hmac
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, Literal

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

Purpose = Literal["name", "phone", "email", "person"]
_BLANKS: Final = re.compile(r"\s+")
# Between the parts of a name that is transcribed into Chinese stands a dot, for which keyboards have many.
_DOTS: Final = re.compile(r"[·•・‧∙⋅.]+")
# Chinese numbers are written with and without the country's code, and with the trunk's 0.
_PREFIX: Final = re.compile(r"^(0+(?=[0-9])|86(?=[0-9]{9,}))")


class KeyLost(Exception):
    """No key of DATA_KEYS opens this data key: a key was taken from the ring before `rewrap_keys` had finished."""


def key_id(key: str) -> str:
    """A name for a key that tells nothing of it: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def newest_data_key() -> str:
    """The name of the key that wraps from now on."""
    return key_id(settings.DATA_KEYS[0])


def newest_index_key() -> str:
    """The name of the key that indexes from now on."""
    return key_id(settings.INDEX_KEYS[0])


@lru_cache(maxsize=4)
def _ring(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def new_data_key() -> str:
    """A fresh data key, wrapped by the newest key of the ring."""
    return _ring(tuple(settings.DATA_KEYS)).encrypt(Fernet.generate_key()).decode()


def conceal(number: int) -> str:
    """A number that goes out to a reader and comes back, telling nothing on the way."""
    return _ring(tuple(settings.DATA_KEYS)).encrypt(str(number).encode()).decode()


def revealed(concealed: str) -> int | None:
    """The number that `conceal` was given; None for anything else."""
    try:
        return int(_ring(tuple(settings.DATA_KEYS)).decrypt(concealed.encode()))
    except InvalidToken:
        return None


def rewrap(wrapped: str) -> str:
    """The same data key under the newest key of the ring. Raises KeyLost."""
    try:
        return _ring(tuple(settings.DATA_KEYS)).rotate(wrapped.encode()).decode()
    except InvalidToken as error:
        raise KeyLost from error


def seal(wrapped: str, values: Mapping[str, str]) -> str:
    """`values` encrypted under the data key that `wrapped` holds."""
    return _opened(wrapped).encrypt(json.dumps(dict(values), ensure_ascii=False).encode()).decode()


def unseal(wrapped: str, sealed: str) -> dict[str, str]:
    """What `seal` encrypted. Raises KeyLost."""
    values: dict[str, str] = json.loads(_opened(wrapped).decrypt(sealed.encode()))
    return values


def _opened(wrapped: str) -> Fernet:
    try:
        return Fernet(_ring(tuple(settings.DATA_KEYS)).decrypt(wrapped.encode()))
    except InvalidToken as error:
        raise KeyLost from error


def normal(purpose: Purpose, text: str) -> str:
    """`text` as it is compared: width and case folded, blanks, dots in names and punctuation of telephone numbers gone.

    Repeated until nothing changes: folding one sign may bring forth another that folds.
    """
    while (folded := _folded(purpose, text)) != text:
        text = folded
    return text


def _folded(purpose: Purpose, text: str) -> str:
    folded = _BLANKS.sub("", unicodedata.normalize("NFKC", text).casefold())
    if purpose == "phone":
        return _PREFIX.sub("", "".join(sign for sign in folded if sign in "0123456789"))
    return _DOTS.sub("", folded) if purpose == "name" else folded


def digest(purpose: Purpose, text: str) -> str:
    """The blind index of `text` under the newest key, in hex; empty where nothing is left of the text."""
    plain = normal(purpose, text)
    return _hmac(settings.INDEX_KEYS[0], purpose, plain) if plain else ""


def digests(purpose: Purpose, text: str) -> Sequence[str]:
    """The blind indexes of `text` under every key of the ring, newest first: what a look-up compares with."""
    plain = normal(purpose, text)
    return [_hmac(key, purpose, plain) for key in settings.INDEX_KEYS] if plain else []


def _hmac(key: str, purpose: Purpose, plain: str) -> str:
    return hmac.new(_derived(key, purpose), plain.encode(), hashlib.sha256).hexdigest()


@lru_cache(maxsize=32)
def _derived(key: str, purpose: Purpose) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=f"trialsite blind index {purpose}".encode()).derive(
        key.encode()
    )
