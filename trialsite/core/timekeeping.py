"""Whether this server's clock can be believed: beside the database's, and by what the system says of NTP."""

import ctypes
import time
from typing import Final

from django.db import connection

# Seconds by which the two clocks may differ before the server is not ready.
TOLERATED: Final = 2.0
_UNSYNCHRONISED: Final = 0x40  # STA_UNSYNC of <sys/timex.h>


class _Timex(ctypes.Structure):
    """The beginning of Linux' `struct timex`; the rest is room that the call may fill."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 256),
    )


def offset() -> float:
    """Seconds by which the database's clock is ahead of this server's, to about half of the time of one query."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        before = time.time()
        cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
        there = float(cursor.fetchone()[0])
        after = time.time()
    return there - (before + after) / 2


def ntp() -> str:
    """`synchronised`, `not synchronised`, or `unknown` where the system does not tell (a container, not Linux)."""
    call = getattr(ctypes.CDLL(None, use_errno=True), "adjtimex", None)
    if call is None:
        return "unknown"
    asked = _Timex(modes=0)
    if call(ctypes.byref(asked)) < 0:
        return "unknown"
    return "not synchronised" if asked.status & _UNSYNCHRONISED else "synchronised"


def finding() -> str:
    """For `ready`: `ok` with the figures, or by how much the clocks differ."""
    ahead = offset()
    told = f"database {round(ahead * 1000):+d} ms, NTP {ntp()}"
    return f"ok ({told})" if abs(ahead) <= TOLERATED else f"clocks differ: {told}"
