"""The API describes itself, offline; every process speaks to the broker of the settings."""

import re

from celery import current_app
from django.conf import settings
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema


def test_the_description_is_valid_openapi_3_1(db):
    schema = Client().get("/api/v1/schema/", headers={"accept": "application/vnd.oai.openapi+json"}).json()
    assert schema["openapi"].startswith("3.1")
    validate_schema(SchemaGenerator().get_schema(request=None, public=True))
    refused = schema["components"]["schemas"]["Problem"]
    assert refused["required"] == ["type", "title", "status", "code"]


def test_the_documentation_needs_nothing_from_elsewhere_and_no_script_in_the_page(db):
    page = Client().get("/api/v1/docs/")
    html = page.content.decode()
    assert "'self'" in page.headers["Content-Security-Policy"]
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", html)
    assert not re.search(r"<script>(?!\s*</script>)", html)
    files = re.findall(r"""(?:src|href)=["'](/[^"']+)["']""", html)
    assert len(files) >= 3
    for path in files:
        file = Client().get(path)
        assert file.status_code == 200, path
        file.close()


def test_a_refusal_is_problem_json_and_names_the_field(coordinator):
    client = Client()
    client.force_login(coordinator)
    answer = client.post("/api/v1/participants/register/", {}, content_type="application/json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert answer.json()["fields"]["site"]
    stranger = Client().get("/api/v1/participants/")
    assert (stranger.status_code, stranger.headers["Content-Type"]) == (401, "application/problem+json")


def test_a_refusal_speaks_the_language_that_was_asked_for(coordinator):
    client = Client(headers={"accept-language": "zh-hans"})
    client.force_login(coordinator)
    answer = client.post(
        "/api/v1/participants/register/", {"site": "NOWHERE"}, content_type="application/json"
    )
    assert answer.json()["fields"]["site"] == ["您所属的医院中没有该医院。"]


def test_web_processes_announce_work_to_the_broker_of_the_settings():
    assert current_app.main == "trialsite"
    assert current_app.conf.broker_url == settings.CELERY_BROKER_URL
