"""What readers and the safety team leave behind: queries, locks, a signature; serious events, an import, files.

Everything hangs on the first participants of one hospital in each status. A second call does nothing.
"""

import datetime as dt
import io
from collections.abc import Mapping
from typing import Any

from reportlab.pdfgen.canvas import Canvas

from trialsite.attachments import services as attachments
from trialsite.audit.context import acting
from trialsite.casebook import querying, reviewing
from trialsite.casebook.models import CasebookSignature, Query, Record
from trialsite.casebook.services import save_record
from trialsite.core import clock
from trialsite.demo.people import PASSPHRASE
from trialsite.imports import services as imports
from trialsite.imports import working
from trialsite.participants.models import Consent, Participant
from trialsite.safety import services as safety
from trialsite.staff.models import User

_SITE = "SHGH"
People = Mapping[tuple[str, str | None], User]


def load(people: People) -> None:
    """Only what is not there yet, and only for participants who are."""
    coordinator = people[("coordinator", _SITE)]
    with acting(coordinator):
        if Record.objects.filter(form="sae").exists():
            return
    treated = _first(coordinator, "randomized")
    if treated:
        _queries(people, treated)
        _safety(people, treated)
        _files(people, treated)
        _import(coordinator, treated)
    for participant in [one for one in (_first(coordinator, "completed"),) if one]:
        _signed(people, participant)


def _first(reader: User, status: str) -> Participant | None:
    with acting(reader):
        rows = Participant.objects.with_protocol().filter(status=status, site__code=_SITE)
        return rows.order_by("code").first()


def _record(reader: User, participant: Participant, form: str, event: str = "SCR") -> Record:
    with acting(reader):
        return Record.objects.select_related("protocol_version").get(
            participant=participant, form=form, event=event, repeat=1
        )


def _ago(**span: float) -> Any:
    return clock.pretend(clock.now() - dt.timedelta(**span))


def _queries(people: People, participant: Participant) -> None:
    """Four of different age: open, answered, closed, open again; some verified, one form frozen."""
    monitor, manager = people[("monitor", None)], people[("data_manager", None)]
    coordinator = people[("coordinator", _SITE)]
    labs, pain = (_record(monitor, participant, form) for form in ("labs", "pain"))
    asked = []
    for days, record, item, text in (
        (41, labs, "plt", "The laboratory's print says another day. Which is right?"),
        (24, labs, "creat", "Please enter the value of the central laboratory."),
        (11, pain, "worst", "The diary says 9 on that day."),
        (3, pain, "average", "The source could not be found at the visit."),
    ):
        with _ago(days=days):
            asked.append(querying.raise_query(actor=monitor, record=record, item=item, text=text))
    with _ago(days=20):
        querying.answer_query(
            actor=coordinator, query=asked[1], text="The central laboratory measured 78 too."
        )
        querying.answer_query(actor=coordinator, query=asked[2], text="The diary was of the day before.")
    with _ago(days=2):
        querying.close_query(actor=monitor, query=asked[2], text="Seen in the diary.")
        querying.answer_query(actor=coordinator, query=asked[0], text="The print is of the second sample.")
        querying.reopen_query(actor=monitor, query=asked[0], text="Please file the first print as well.")
        for form in ("demographics", "performance", "ecg"):
            reviewing.verify(actor=monitor, record=_record(monitor, participant, form))
        reviewing.verify(actor=monitor, record=labs, items=["lbdat", "wbc", "hgb"])
        reviewing.place_lock(
            actor=manager,
            kind="freeze",
            level="form",
            record=_record(manager, participant, "history"),
            reason="cleaning before the interim report",
        )


def _safety(people: People, participant: Participant) -> None:
    """Three serious events: overdue to the sponsor, reported and running onward, closed."""
    coordinator = people[("coordinator", _SITE)]
    plan = (
        (1, 30.0, "Pneumonia, stay in hospital", ["hospital"], "possible", False, "recovering"),
        (2, 50.0, "Pulmonary embolism", ["life"], "possible", False, "recovering"),
        (3, 400.0, "Fracture of the hip after a fall", ["hospital"], "none", False, "recovered"),
    )
    for number, hours, term, criteria, relation, expected, outcome in plan:
        aware = clock.now() - dt.timedelta(hours=hours)
        onset = clock.local_date(aware - dt.timedelta(hours=9), participant.site.timezone).isoformat()
        event = {"aestdat": onset, "aeterm": term, "aetoxgr": 3, "aeser": number != 2, "aeout": outcome}
        report = {
            "saestdat": onset,
            "awareat": clock.local(aware, participant.site.timezone).isoformat(timespec="minutes"),
            "saeterm": term,
            "saeno": number,
            "criteria": criteria,
            "saerel": relation,
            "expected": expected,
            "narrative": f"{term}. Treated on the ward; an invented case.",
            "saeout": outcome,
        }
        with _ago(hours=hours - 1):
            for form, values in (("adverse_event", event), ("sae", report)):
                saved = save_record(
                    actor=coordinator,
                    participant=participant,
                    event="LOG",
                    form=form,
                    repeat=number,
                    values=values,
                ).record
        if number > 1:
            _step(coordinator, saved, "to_sponsor", hours - 6, 1, "reported by mail")
        if number == 3:
            _step(coordinator, saved, "close", 24, 2, "letter of the hospital seen")


def _step(actor: User, record: Record, step: safety.Step, hours: float, seen: int, reason: str) -> None:
    with _ago(hours=hours):
        safety.note(actor=actor, record=record, step=step, at=clock.now(), seen=seen, reason=reason)


def _files(people: People, participant: Participant) -> None:
    """The scan of the consent and the report of the image."""
    coordinator = people[("coordinator", _SITE)]
    with acting(coordinator):
        consent = Consent.objects.filter(participant=participant).earliest("pk")
    for to, title in (
        (_record(coordinator, participant, "lesion"), "Report of the MRI"),
        (consent, "Signed form"),
    ):
        page = _page(f"{participant.code}: {title}, invented for the demonstration.")
        attachments.attach(actor=coordinator, to=to, title=title, content=page)


def _page(text: str) -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, invariant=True)
    canvas.drawString(72, 720, text)
    canvas.save()
    return out.getvalue()


def _import(coordinator: User, participant: Participant) -> None:
    """A file of medication: tried, one row at fault, the rest saved."""
    today = clock.today(participant.site.timezone)
    head = "participant,event,repeat,state,cmstdat,cmtrt\n"
    rows = [
        f"{participant.code},LOG,{number},draft,{today - dt.timedelta(days=day)},{drug}\n"
        for number, day, drug in ((1, 60, "oxycodone"), (2, 45, "zoledronic acid"), (3, -9, "pregabalin"))
    ]
    tried, _new = imports.request_import(
        actor=coordinator,
        form="medication",
        reason="transcribed from the ward's list",
        csv=head + "".join(rows),
        dry_run=True,
    )
    working.work_off(actor=coordinator, number=tried.pk)
    saved, _new = imports.confirm(actor=coordinator, tried=tried)
    working.work_off(actor=coordinator, number=saved.pk)


def _signed(people: People, participant: Participant) -> None:
    """What was asked is accepted, everything is verified, and the investigator signs the casebook."""
    monitor, investigator = people[("monitor", None)], people[("investigator", _SITE)]
    with acting(monitor):
        if CasebookSignature.objects.filter(participant=participant).exists():
            return
        waiting = list(Query.objects.open().filter(participant=participant))
        records = list(Record.objects.filter(participant=participant).select_related("protocol_version"))
    for query in waiting:
        querying.close_query(actor=monitor, query=query, text="Agrees with the source.")
    for record in records:
        if record.state == Record.State.COMPLETE:
            reviewing.verify(actor=monitor, record=record)
    with _ago(days=1):
        reviewing.sign_casebook(actor=investigator, participant=participant, password=PASSPHRASE)
