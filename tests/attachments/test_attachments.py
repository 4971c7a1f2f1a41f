"""Files of records and consents: what is taken, who sees it, that it stays as it came."""

import base64
import hashlib
import json
import re

import psycopg
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.attachments.files import HOSTILE, image, plain_pdf
from tests.conftest import walked_once
from tests.participants.amendment import activate_at, amended, form_at
from tests.participants.test_consents import consent as consent_to
from tests.path import walk
from trialsite.attachments import services, sniffing
from trialsite.attachments.errors import AlreadyWithdrawn, Damaged, NotAccepted, TooMany
from trialsite.attachments.models import Attachment, AttachmentContent
from trialsite.audit.context import acting
from trialsite.audit.models import Event
from trialsite.casebook import reviewing
from trialsite.casebook.errors import Locked
from trialsite.casebook.models import Record
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.core.errors import Forbidden, Invalid, NotFound
from trialsite.enrollment import services as enrollment
from trialsite.participants.errors import UseOfDataWithdrawn
from trialsite.participants.models import Consent

ward, site_a, coordinator, investigator, participant = walked_once(__name__, "consented", "participant")


@pytest.fixture
def lesion(participant, coordinator):
    with acting(coordinator):
        return Record.objects.get(participant=participant, form="lesion")


@pytest.fixture
def consent(participant, coordinator):
    with acting(coordinator):
        return Consent.objects.get(participant=participant)


def client_of(user):
    made = Client()
    made.force_login(user)
    return made


def attached(user, to, content=b"", title="Report of the MRI"):
    return services.attach(actor=user, to=to, title=title, content=content or plain_pdf())


def stored():
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM attachments_attachment")
        return cursor.fetchone()[0]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (plain_pdf(pages=3), "application/pdf"),
        (image("PNG"), "image/png"),
        (image("JPEG"), "image/jpeg"),
    ],
)
def test_a_file_comes_back_as_it_came_and_the_trail_tells_who_took_it(
    lesion, coordinator, person, content, kind
):
    made = attached(coordinator, lesion, content)
    assert (made.content_type, made.size) == (kind, len(content))
    assert made.sha256 == hashlib.sha256(content).hexdigest()
    monitor = person("monitor")
    answer = client_of(monitor).get(f"/admin/participant/01-001/attachments/{made.pk}/file/")
    assert answer.content == content
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="01-001-')
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    with acting(person("auditor")):
        noted = Event.objects.filter(action="view", table_name="attachments_attachment").latest("pk")
        kept = Event.objects.filter(action="insert", table_name="attachments_attachmentcontent").latest("pk")
    assert (noted.actor_id, noted.row_key) == (monitor.pk, str(made.pk))
    assert content.hex()[:80] not in json.dumps(kept.changes)


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_plain_pdf_jpeg_or_png_by_its_content_is_refused(name):
    with pytest.raises(sniffing.Refused):
        sniffing.kind_of(HOSTILE[name])


@given(st.sampled_from([b"%PDF-", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b""]), st.binary(max_size=300))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_rubbish_is_refused_and_nothing_else_happens(mark, rest):
    with pytest.raises(sniffing.Refused):
        sniffing.kind_of(mark + rest)


@given(st.sampled_from([plain_pdf(), image("PNG"), image("JPEG")]), st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_broken_copy_is_read_or_refused(content, data):
    at = data.draw(st.integers(0, len(content) - 1))
    broken = content[:at] + bytes([data.draw(st.integers(0, 255))]) + content[at + 1 :]
    try:
        sniffing.kind_of(broken)
    except sniffing.Refused as refused:
        assert refused.fault


def test_a_refused_file_leaves_nothing_on_either_door(lesion, coordinator):
    client = client_of(coordinator)
    for content in (HOSTILE["html"], HOSTILE["pdf with a script"], b"%PDF-" + b"x" * services.MOST_BYTES):
        body = {"event": "SCR", "form": "lesion", "title": "x", "content": base64.b64encode(content).decode()}
        answer = client.post("/api/v1/participants/01-001/attachments/", body, "application/json")
        assert (answer.status_code, list(answer.json()["fields"])) == (422, ["content"])
        file = SimpleUploadedFile("report.pdf", content, "application/pdf")
        address = "/admin/participant/01-001/attach/?event=SCR&form=lesion"
        page = client.post(address, {"title": "x", "content": file})
        assert page.status_code == 422
        assert "✗" in page.content.decode()
    with pytest.raises(NotAccepted):
        attached(coordinator, lesion, HOSTILE["gif"])
    assert (
        client.post(
            "/api/v1/participants/01-001/attachments/", b"x" * (16 * 1024 * 1024), "application/json"
        ).status_code
        == 413
    )
    for title in ("", " ", "x" * 121, "a\x00b"):
        with pytest.raises(Invalid):
            attached(coordinator, lesion, title=title)
    with acting(coordinator):
        assert stored() == 0


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"content": "%%%"}, 422, "content"),
        ({"content": ""}, 422, "content"),
        ({"content": ["x"]}, 422, "content"),
        ({"form": ""}, 422, "form"),
        ({"consent": "1.0"}, 422, "form"),
        ({"form": "nowhere"}, 404, None),
        ({"event": "\ud800"}, 422, "event"),
        ({"repeat": 0}, 422, "repeat"),
        ({"title": "x" * 121}, 422, "title"),
        ({"identifies": "perhaps"}, 422, "identifies"),
        ({"identifies": []}, 422, "identifies"),
    ],
)
def test_a_hostile_body_is_refused_by_name(lesion, coordinator, change, status, field):
    body = {"event": "SCR", "form": "lesion", "title": "x", "content": base64.b64encode(plain_pdf()).decode()}
    answer = client_of(coordinator).post(
        "/api/v1/participants/01-001/attachments/", json.dumps(body | change), "application/json"
    )
    assert answer.status_code == status
    if field:
        assert field in answer.json()["fields"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"title": NaN}', b"[" * 90_000, b"\xff\xfe", b"null", b'"x"', b"[1]"]
)
def test_a_body_that_is_no_object_is_refused(participant, coordinator, body):
    answer = client_of(coordinator).post("/api/v1/participants/01-001/attachments/", body, "application/json")
    assert answer.status_code in (400, 422)


def test_the_page_takes_shows_gives_and_withdraws(lesion, coordinator):
    client = client_of(coordinator)
    address = "/admin/participant/01-001/attach/?event=SCR&form=lesion&repeat=1"
    assert "Black out" in client.get(address).content.decode()
    file = SimpleUploadedFile("Wang Jing MRI.pdf", plain_pdf(), "text/html")
    assert client.post(address, {"title": "Report of the MRI", "content": file}).status_code == 302
    assert "Report of the MRI" in client.get("/admin/participant/01-001/form/SCR/lesion/").content.decode()
    listed = client.get("/admin/participant/01-001/attachments/").content.decode()
    assert "application/pdf" in listed
    assert "Wang Jing" not in listed
    with acting(coordinator):
        made = Attachment.objects.get()
    end = f"/admin/participant/01-001/attachments/{made.pk}/withdraw/"
    assert client.post(end, {"reason": ""}).status_code == 422
    assert client.post(end, {"reason": "of somebody else"}).status_code == 302
    assert client.get(f"/admin/participant/01-001/attachments/{made.pk}/file/").status_code == 409
    assert "of somebody else" in client.get("/admin/participant/01-001/attachments/").content.decode()
    assert (
        "Report of the MRI" not in client.get("/admin/participant/01-001/form/SCR/lesion/").content.decode()
    )
    with acting(coordinator):
        assert bytes(AttachmentContent.objects.get().data) == plain_pdf()
    with pytest.raises(AlreadyWithdrawn):
        services.withdraw(actor=coordinator, attachment=made, reason="again")


def test_the_same_file_again_is_the_same_attachment_and_there_is_a_limit(lesion, coordinator, monkeypatch):
    first = attached(coordinator, lesion)
    assert attached(coordinator, lesion).pk == first.pk
    services.withdraw(actor=coordinator, attachment=first, reason="wrong")
    assert attached(coordinator, lesion).pk != first.pk
    monkeypatch.setattr(services, "MOST_FILES", 2)
    attached(coordinator, lesion, plain_pdf("other"))
    with pytest.raises(TooMany):
        attached(coordinator, lesion, plain_pdf("third"))


def test_the_scan_of_a_consent_is_seen_by_the_team_alone(consent, coordinator, assessor, person, raw):
    made = attached(coordinator, consent, image("JPEG"), title="Signed form")
    monitor, statistician = person("monitor"), person("statistician")
    path = f"/api/v1/participants/01-001/attachments/{made.pk}/file/"
    for stranger in (assessor, monitor, statistician):
        assert client_of(stranger).get(path).status_code == 404
        assert client_of(stranger).get("/api/v1/participants/01-001/attachments/").json() == []
        for table in ("attachments_attachment", "attachments_attachmentcontent"):
            assert raw(f"SELECT count(*) FROM {table}", actor=stranger) == [(0,)]
        with pytest.raises(NotFound):
            services.give(actor=stranger, attachment=made)
    assert client_of(coordinator).get(path).content == image("JPEG")
    with pytest.raises(Forbidden):
        attached(assessor, consent)


def test_a_file_of_a_record_that_shows_who_it_is_is_for_the_team_alone(
    participant, lesion, coordinator, person, raw
):
    """The form says what is usual, the uploader what this file is; both doors ask."""
    sae = save_record(
        actor=coordinator,
        participant=participant,
        event="LOG",
        form="sae",
        values={"saeterm": "sepsis"},
        complete=False,
    ).record
    letter, report = attached(coordinator, sae), attached(coordinator, lesion)
    assert (letter.identifies, report.identifies) == (True, False)
    monitor = person("monitor")
    listed = client_of(monitor).get("/api/v1/participants/01-001/attachments/").json()
    assert [(one["title"], one["identifies"]) for one in listed] == [("Report of the MRI", False)]
    assert raw("SELECT count(*) FROM attachments_attachmentcontent", actor=monitor) == [(1,)]
    assert (
        client_of(monitor).get(f"/api/v1/participants/01-001/attachments/{letter.pk}/file/").status_code
        == 404
    )
    client = client_of(coordinator)
    body = {"event": "LOG", "form": "sae", "title": "Blacked out", "identifies": False}
    body["content"] = base64.b64encode(plain_pdf()).decode()
    clean = client.post("/api/v1/participants/01-001/attachments/", json.dumps(body), "application/json")
    assert (clean.status_code, clean.json()["identifies"]) == (201, False)
    assert (
        client_of(monitor).get(f"/api/v1/participants/01-001/attachments/{clean.json()['id']}/file/").content
        == plain_pdf()
    )
    address = "/admin/participant/01-001/attach/?event={}&form={}&repeat=1"
    ticked = re.compile('name="identifies"[^>]* checked')
    assert ticked.search(client.get(address.format("LOG", "sae")).content.decode())
    assert not ticked.search(client.get(address.format("SCR", "lesion")).content.decode())
    sent = {"title": "Photograph", "identifies": "on", "content": SimpleUploadedFile("a.png", image("PNG"))}
    assert client.post(address.format("SCR", "lesion"), sent).status_code == 302
    with acting(coordinator):
        assert Attachment.objects.get(title="Photograph").identifies
    # The trail of it is read by more people: it tells that there is a title.
    trail = "FROM audit_event WHERE table_name = 'attachments_attachment' AND action = 'insert'"
    told = raw(f"SELECT changes::text {trail}", actor=monitor)
    assert len(told) == 4 and all('"title": "changed"' in one for (one,) in told)


def test_whoever_may_not_see_such_files_attaches_none_and_a_consent_always_is_one(
    lesion, consent, coordinator, assessor
):
    with pytest.raises(Invalid) as refused:
        services.attach(actor=assessor, to=lesion, title="Letter", content=plain_pdf(), identifies=True)
    assert set(refused.value.fields) == {"identifies"}
    assert attached(assessor, lesion).identifies is False
    with pytest.raises(Invalid) as refused:
        services.attach(actor=coordinator, to=consent, title="Form", content=plain_pdf(), identifies=False)
    assert set(refused.value.fields) == {"identifies"}
    theirs = services.attach(
        actor=coordinator, to=lesion, title="The same bytes", content=plain_pdf(), identifies=True
    )
    assert theirs.identifies
    assert attached(assessor, lesion).identifies is False


def test_a_file_at_a_form_that_tells_the_arm_is_hidden_like_the_form(
    committed, sealed, site_a, coordinator, investigator, assessor, raw
):
    participant = walk("randomized", site=site_a, coordinator=coordinator, investigator=investigator)
    record = save_record(
        actor=coordinator,
        participant=participant,
        event="LOG",
        form="arm_deviation",
        values={},
        complete=False,
    ).record
    made = attached(coordinator, record)
    assert made.reveals_arm
    for table in ("attachments_attachment", "attachments_attachmentcontent"):
        assert raw(f"SELECT count(*) FROM {table}", actor=coordinator) == [(1,)]
        assert raw(f"SELECT count(*) FROM {table}", actor=assessor) == [(0,)]
    client = client_of(assessor)
    assert client.get(f"/admin/participant/01-001/attachments/{made.pk}/file/").status_code == 404
    assert "Report of the MRI" not in client.get("/admin/participant/01-001/attachments/").content.decode()
    address = "/admin/participant/01-001/attach/?event=LOG&form=arm_deviation"
    assert client.get(address).status_code == 404


def test_another_hospital_meets_no_file(lesion, coordinator, coordinator_b, raw):
    made = attached(coordinator, lesion)
    client = client_of(coordinator_b)
    for path in (f"{made.pk}/file/", f"{made.pk}/withdraw/", ""):
        assert client.get(f"/admin/participant/01-001/attachments/{path}").status_code == 404
    with pytest.raises(NotFound):
        services.give(actor=coordinator_b, attachment=made)
    assert raw("SELECT count(*) FROM attachments_attachmentcontent", actor=coordinator_b) == [(0,)]


def test_the_database_lets_nobody_change_or_lose_a_file(lesion, coordinator, raw):
    attached(coordinator, lesion)
    for sql in (
        "UPDATE attachments_attachmentcontent SET data = 'x'",
        "DELETE FROM attachments_attachmentcontent",
        "UPDATE attachments_attachment SET sha256 = 'x'",
        "DELETE FROM attachments_attachment",
    ):
        with pytest.raises(psycopg.Error):
            raw(sql, actor=coordinator)


def test_bytes_that_no_longer_fit_their_hash_are_not_given_out(lesion, coordinator, cluster, committed):
    made = attached(coordinator, lesion)
    with psycopg.connect(cluster.url("postgres", committed)) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute("UPDATE attachments_attachmentcontent SET data = data || 'x'::bytea")
    with pytest.raises(Damaged):
        services.give(actor=coordinator, attachment=made)


def test_nothing_is_attached_under_a_lock(lesion, coordinator, person):
    made = attached(coordinator, lesion)
    reviewing.place_lock(
        actor=person("data_manager"), kind="freeze", level="form", record=lesion, reason="cleaning"
    )
    with pytest.raises(Locked):
        attached(coordinator, lesion, plain_pdf("late"))
    with pytest.raises(Locked):
        services.withdraw(actor=coordinator, attachment=made, reason="late")


def test_the_list_costs_the_same_for_one_file_and_for_many(lesion, coordinator):
    client = client_of(coordinator)
    counts = []
    for number in (1, 6):
        for one in range(number):
            attached(coordinator, lesion, plain_pdf(f"{number} {one}"))
        client.get("/admin/participant/01-001/attachments/")
        with CaptureQueriesContext(connection) as asked:
            assert client.get("/admin/participant/01-001/attachments/").status_code == 200
        counts.append(len(asked))
        assert not any("attachmentcontent" in one["sql"] for one in asked)
    assert counts[0] == counts[1]


def test_nothing_is_attached_after_the_use_of_data_was_withdrawn(lesion, consent, participant, coordinator):
    made = attached(coordinator, lesion)
    values = {"wddat": clock.today("Asia/Shanghai").isoformat(), "level": "data"}
    enrollment.withdraw(actor=coordinator, participant=participant, values=values)
    for place in (lesion, consent):
        with pytest.raises(UseOfDataWithdrawn):
            attached(coordinator, place, plain_pdf("late"))
    assert stored_of(coordinator) == [made.sha256]


def stored_of(user):
    with acting(user):
        return list(Attachment.objects.values_list("sha256", flat=True))


def test_attaching_and_withdrawing_wait_for_whoever_locks_everything(lesion, coordinator, cluster, committed):
    made = attached(coordinator, lesion)
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '150ms'")
    try:
        with psycopg.connect(cluster.url("postgres", committed)) as other:
            other.execute("LOCK TABLE casebook_record IN SHARE MODE")
            with pytest.raises(OperationalError, match="lock timeout"):
                attached(coordinator, lesion, plain_pdf("late"))
            with pytest.raises(OperationalError, match="lock timeout"):
                services.withdraw(actor=coordinator, attachment=made, reason="late")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 0")
    services.withdraw(actor=coordinator, attachment=made, reason="in time")


def test_files_of_a_form_that_an_amendment_drops_are_still_shown_and_taken(
    participant, site_a, coordinator, sealed
):
    values = {"cmtrt": "Morphine"}
    place = {"participant": participant, "event": "LOG", "form": "medication"}
    record = save_record(actor=coordinator, **place, values=values, complete=False).record
    report = save_record(
        actor=coordinator, **place | {"form": "sae"}, values={"saeterm": "sepsis"}, complete=False
    ).record
    attached(coordinator, record)

    def without(document):
        document["forms"] = [one for one in document["forms"] if one["code"] != "medication"]
        for visit in document["visits"]:
            visit["forms"] = [one for one in visit["forms"] if one != "medication"]

    version = amended(without)
    form_at(activate_at(version, site_a), site_a, version)
    consent_to(coordinator, participant, "1.1")
    client = client_of(coordinator)
    page = client.get("/admin/participant/01-001/attachments/")
    assert page.status_code == 200 and "Concomitant medication" in page.content.decode()
    address = "/admin/participant/01-001/attach/?event=LOG&form=medication&repeat=1"
    assert client.get(address).status_code == 200
    assert client.get(f"/admin/safety/{report.pk}/narrative.pdf").status_code == 200
