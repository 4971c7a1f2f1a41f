"""Fresh keys and passwords for a production deployment: `python -m trialsite.runtime.keys FOLDER`.

One file each, in a folder that only its owner can enter. A file that exists is left as it is: contact
data that were written under a key can be read with that key only.
"""

import base64
import os
import secrets
import sys
from pathlib import Path


def fresh() -> dict[str, str]:
    """File name → new value, each from the system's random source."""
    return {
        "secret_key": secrets.token_urlsafe(64),
        "data_keys": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "index_keys": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "sequence_key": base64.b64encode(secrets.token_bytes(32)).decode(),
        "app_password": secrets.token_hex(24),
        "owner_password": secrets.token_hex(24),
        "admin_password": secrets.token_hex(24),
        "broker_password": secrets.token_hex(24),
    }


def addresses(values: dict[str, str]) -> dict[str, str]:
    """The three addresses inside the compose network, with the passwords of `values`."""
    at = "postgresql://{role}:{password}@postgres:5432/trialsite"
    return {
        "database_url": at.format(role="edc_app", password=values["app_password"]),
        "database_owner_url": at.format(role="edc_owner", password=values["owner_password"]),
        "broker_url": f"redis://:{values['broker_password']}@valkey:6379/0",
    }


def write(folder: Path) -> list[Path]:
    """Write what is missing; returns the files written."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    present = {path.name: path.read_text().strip() for path in folder.iterdir() if path.is_file()}
    values = fresh() | present
    values = addresses(values) | values
    written = [folder / name for name in values if name not in present]
    for path in written:
        # Containers read them under another id, so the folder is the guard.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with os.fdopen(handle, "w") as file:
            file.write(values[path.name])
    return written


if __name__ == "__main__":
    for made in write(Path(sys.argv[1])):
        print(made)  # noqa: T201 -- a command's output
