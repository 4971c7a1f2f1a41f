"""The embedded Valkey keeps what it was told, also through kill -9, and opens no network port."""

import os
import signal
import socket
from pathlib import Path

from tests.runtime.conftest import eventually
from trialsite.runtime.valkey import Valkey


def tell(server: Valkey, line: str) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
        wire.connect(str(server.socket_path))
        wire.sendall(line.encode() + b"\r\n")
        return wire.recv(200)


def test_a_killed_broker_comes_back_with_its_messages(root: Path) -> None:
    first = Valkey(root / "valkey", root / "run" / "valkey.sock")
    first.start()
    assert first.socket_path.stat().st_mode & 0o777 == 0o700
    assert b"\r\n0\r\n" in tell(first, "CONFIG GET port")
    tell(first, "LPUSH default message")
    process = first._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    eventually(lambda: not first.running())

    second = Valkey(root / "valkey", root / "run" / "valkey.sock")
    second.start()
    assert tell(second, "LLEN default") == b":1\r\n"
    second.stop()
    assert not second.running()
