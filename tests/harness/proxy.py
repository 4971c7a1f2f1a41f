"""A proxy before PostgreSQL's Unix socket that can cut a connection just before or just after a COMMIT."""

import contextlib
import socket
import threading
from pathlib import Path

NAME = ".s.PGSQL.5432"


class Proxy:
    """Listens in `folder` and passes on to `upstream`. `cut` is "", "before" or "after": the next COMMIT's fate."""

    def __init__(self, folder: Path, upstream: Path) -> None:
        self.folder, self.upstream = folder, upstream / NAME
        self.cut = ""
        self.cuts = {"before": 0, "after": 0}
        self._lock = threading.Lock()
        folder.mkdir(mode=0o700, exist_ok=True)
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(folder / NAME))
        self._door.listen(128)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._door.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(str(self.upstream))
            except OSError:
                client.close()
                server.close()
                continue
            for work in (self._forth, self._back):
                threading.Thread(target=work, args=(client, server), daemon=True).start()

    def _take(self) -> str:
        with self._lock:
            fate, self.cut = self.cut, ""
            if fate:
                self.cuts[fate] += 1
        return fate

    def _forth(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                fate = self._take() if self.cut and b"COMMIT" in data else ""
                if fate == "before":
                    break
                if fate == "after":
                    # The client will not hear of it; the server will have committed all the same.
                    client.shutdown(socket.SHUT_RDWR)
                    server.sendall(data)
                    return
                server.sendall(data)
        _end(client, server)

    def _back(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        _end(client, server)


def _end(*lines: socket.socket) -> None:
    for line in lines:
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)
        line.close()
