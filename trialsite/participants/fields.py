"""A text that the database holds only encrypted."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.db import models

if TYPE_CHECKING:
    _Text = models.TextField[str, str]
else:
    _Text = models.TextField


@lru_cache(maxsize=4)
def _ring(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def ring() -> MultiFernet:
    """The key ring of contact data: encrypts with the first key of DATA_KEYS, decrypts with any."""
    return _ring(tuple(settings.DATA_KEYS))


class SealedText(_Text):
    """Encrypted on the way in, decrypted on the way out; it cannot be searched."""

    def get_prep_value(self, value: Any) -> Any:
        return value and ring().encrypt(str(value).encode()).decode()

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return value and ring().decrypt(value.encode()).decode()

    def get_lookup(self, lookup_name: str) -> Any:
        """No look-up but isnull: a comparison with ciphertext would silently find nothing."""
        if lookup_name != "isnull":
            raise TypeError(f"a sealed text cannot be looked up by {lookup_name!r}")
        return super().get_lookup(lookup_name)
