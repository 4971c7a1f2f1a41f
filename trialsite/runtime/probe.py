"""Asks the web process how it is; `python -m trialsite.runtime.probe [PATH]` is the image's health check."""

import http.client
import os
import sys

from trialsite import environment


def healthy(*, bind: str, port: int, hosts: list[str], path: str = "/healthz/live") -> bool:
    """Whether the path answers 200. `hosts` are the allowed hosts, of which one is named in the request."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)  # noqa: S104 -- compared, not bound
    line = http.client.HTTPConnection(address, port, timeout=5)
    host = next((name.lstrip(".") for name in hosts if name != "*"), "localhost")
    try:
        # Past the reverse proxies, without whose word a request is refused; more hops than these count nothing.
        line.request("GET", path, headers={"Host": host, "X-Forwarded-For": ", ".join(["127.0.0.1"] * 10)})
        return line.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        line.close()


def main(path: str = "/healthz/ready") -> int:
    """Exit code 0 where the web process of this machine is healthy, else 1."""
    return (
        0
        if healthy(
            bind="127.0.0.1",
            port=environment.number("PORT", 8000),
            hosts=environment.listing("ALLOWED_HOSTS", "localhost", env=os.environ),
            path=path,
        )
        else 1
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
