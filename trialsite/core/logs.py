"""Log lines as JSON, without personal data: what may name a person is taken out of every line before it is written."""

import re
import time
from logging import LogRecord
from typing import Final

from pythonjsonlogger.json import JsonFormatter

_HIDDEN: Final = (
    # PostgreSQL repeats the values of a refused row.
    (re.compile(r"(DETAIL:|Key \().*?(?=\\n|\"|$)"), r"\1 …"),
    (re.compile(r"[^\s\"'<>()\[\]:;,\\]+@[^\s\"'<>()\[\]:;,\\]+"), "…@…"),
    # A number's decimals are nobody's; without them the line would be no JSON any more.
    (re.compile(r"(?<!\w)(?<!\d\.)(\+?86[ -]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}(?!\w)"), "…"),
    (re.compile(r"(?<!\w)\+\d[\d -]{6,}\d"), "…"),
    (re.compile(r"(?<!\w)(?<!\d\.)\d{17}[\dXx](?!\w)"), "…"),
    (re.compile(r"/invitation/[^\s\"]*"), "/invitation/…"),
    (re.compile(r"/calendar/[^\s\"]*"), "/calendar/…"),
    (re.compile(r"(?i)(token|password|passphrase|secret|authorization)(\W{1,4})[^\s\"',;&\\]{4,}"), r"\1\2…"),
)


def redacted(line: str) -> str:
    """`line` without mail addresses, telephone and identity numbers, secrets, and values of refused rows."""
    for pattern, instead in _HIDDEN:
        line = pattern.sub(instead, line)
    return line


class JsonLines(JsonFormatter):
    """One JSON object a line: time in UTC, level, logger, message, and what the caller added."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s %(levelname)s %(name)s %(message)s",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            json_ensure_ascii=False,
        )
        # Django sets the process to the hospitals' zone.
        self.converter = time.gmtime

    def format(self, record: LogRecord) -> str:
        return redacted(super().format(record))
