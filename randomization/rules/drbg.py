"""HMAC_DRBG with SHA-256 (NIST SP 800-90A Rev. 1, 10.1.2), without reseeding or additional input."""

import hashlib
import hmac


class HmacDrbg:
    """A deterministic generator: the same three inputs give the same bytes, everywhere and for ever."""

    def __init__(self, entropy: bytes, nonce: bytes = b"", personalization: bytes = b"") -> None:
        self._key = b"\x00" * 32
        self._value = b"\x01" * 32
        self._pool: list[int] = []
        self._update(entropy + nonce + personalization)

    def _mac(self, data: bytes) -> bytes:
        return hmac.new(self._key, data, hashlib.sha256).digest()

    def _update(self, provided: bytes) -> None:
        self._key = self._mac(self._value + b"\x00" + provided)
        self._value = self._mac(self._value)
        if provided:
            self._key = self._mac(self._value + b"\x01" + provided)
            self._value = self._mac(self._value)

    def generate(self, count: int) -> bytes:
        """The next `count` bytes by one generate call."""
        output = b""
        while len(output) < count:
            self._value = self._mac(self._value)
            output += self._value
        self._update(b"")
        return output[:count]

    def byte(self) -> int:
        """The next byte; bytes are drawn by generate calls of 32."""
        if not self._pool:
            self._pool = list(reversed(self.generate(32)))
        return self._pool.pop()

    def below(self, n: int) -> int:
        """A number from 0 to n − 1 (1 ≤ n ≤ 256), each equally likely: bytes ≥ 256 − (256 mod n) are thrown away."""
        if not 1 <= n <= 256:
            raise ValueError("n must lie from 1 to 256")
        limit = 256 - 256 % n
        while True:
            drawn = self.byte()
            if drawn < limit:
                return drawn % n
