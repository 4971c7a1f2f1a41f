"""The probe of health passes where the address of whoever asks is taken from the reverse proxies."""

import threading
from wsgiref.simple_server import make_server

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse

from trialsite.core import headers
from trialsite.runtime import probe


@pytest.mark.parametrize("proxies", [0, 1, 2])
def test_the_probe_is_answered_behind_any_number_of_proxies(settings, proxies):
    settings.TRUSTED_PROXIES = proxies
    door = headers.ClientAddress(lambda request: HttpResponse())

    def application(environ, start):
        answer = door(WSGIRequest(environ))
        start(f"{answer.status_code} ", [])
        return [answer.content]

    with make_server("127.0.0.1", 0, application) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        try:
            assert probe.healthy(bind="127.0.0.1", port=server.server_port, hosts=["localhost"])
        finally:
            thread.join()
