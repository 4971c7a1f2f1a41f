"""An SMTP server in a process of its own: `python -m tests.campaign.mailserver PORT LOG`.

It writes the Message-ID of each mail that it accepts to LOG before it says yes: nothing that is killed elsewhere can
make it forget.
"""

import asyncio
import email
import sys
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP


class Recorder:
    """Accepts everything."""

    def __init__(self, log: Path) -> None:
        self.log = log.open("a", encoding="utf-8", buffering=1)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 -- aiosmtpd's name
        self.log.write(f"{email.message_from_bytes(envelope.content)['Message-ID']}\n")
        return "250 OK"


async def serve(port: int, log: Path) -> None:
    """Until the process ends."""
    recorder = Recorder(log)
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(recorder, hostname="localhost"), "127.0.0.1", port
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
