"""Which tables there are for a reader, and the statement of each."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from django.db import connection
from django.db.models import (
    BigIntegerField,
    Case,
    Count,
    Exists,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Coalesce
from psycopg import sql

from eligibility.models import SignedVerdict
from randomization import arms
from trialsite.casebook import deviations
from trialsite.casebook.models import CasebookSignature, Query, QueryMessage, Record, Score
from trialsite.exports import sql as statements
from trialsite.exports.columns import Code, Column, columns_of, united
from trialsite.exports.dictionary import Plain, key_columns, list_columns, long_columns
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Form, Text
from trialsite.protocol.models import ProtocolVersion
from trialsite.roster.models import AccessReview, Delegation
from trialsite.sites.models import ActivationSignature
from trialsite.staff.access import sites_of
from trialsite.staff.capabilities import ARM_SEE
from trialsite.staff.models import Signature, SignedVersion, User
from visits.models import Visit

_TRIAL: Final = "participant__protocol_version__trial_id"


@dataclass(frozen=True)
class Table:
    """One table: its name, what it holds, its columns in order, and the statement for a reader (for `COPY (…)`)."""

    name: str
    label: Text
    columns: Sequence[Column | Plain]
    statement: Callable[[User], sql.Composed]


def tables(actor: User) -> list[Table]:
    """All tables that `actor` may take: the lists first, then one for each form, then the long one."""
    described = list_columns(_arms(actor))
    keys = key_columns()
    return [
        *(Table(name, label, described[name], statement) for name, label, statement in _LISTS),
        *(
            Table(code, newest.name, [*keys, *columns], _form_statement(code, columns))
            for code, newest, columns in forms_of(actor)
        ),
        Table("long", Text("All entries, one a row", "全部数据（长表）"), long_columns(), _long),
    ]


def _arms(actor: User) -> list[Code]:
    """Codes and names of the arms of all versions, for whoever may see arms."""
    if sites_of(actor, ARM_SEE) == []:
        return []
    versions = ProtocolVersion.objects.visible_to(actor).defer("document").order_by("id")
    return list({arm.code: arm.label for version in versions for arm in version.definition.arms}.items())


def forms_of(actor: User) -> Iterator[tuple[str, Form, list[Column]]]:
    """(code, the newest description, columns) of every form of any version, without those that would tell the arm."""
    versions: dict[str, list[Form]] = {}
    for version in ProtocolVersion.objects.visible_to(actor).defer("document").order_by("id"):
        for form in version.definition.forms:
            versions.setdefault(form.code, []).append(form)
    may_see_arms = sites_of(actor, ARM_SEE) != []
    for code, described in versions.items():
        worded = deviations.TERM if described[-1].role in deviations.ROLES else ""
        if may_see_arms or not described[-1].reveals_arm:
            yield code, described[-1], columns_of(united(described), worded=worded)


def _visible(actor: User) -> str:
    return compiled(_permitted(Record.objects.visible_to(actor)).order_by())


def _permitted(rows: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    """Without participants who withdrew the use of their data; the list of participants alone still counts them."""
    return rows.filter(participant__in=Participant.objects.use_permitted().order_by().values("pk"))


def compiled(rows: QuerySet[Any, Any]) -> str:
    """The SQL of a QuerySet with its values written in, as `COPY (…)` needs it."""
    statement, values = rows.query.sql_with_params()
    with connection.cursor() as cursor:
        # Serving has the server bind values; only a cursor that binds them itself can write them in.
        return psycopg.ClientCursor(cursor.cursor.connection).mogrify(statement, values)


def _form_statement(code: str, columns: Sequence[Column]) -> Callable[[User], sql.Composed]:
    return lambda actor: statements.wide(code, columns, _visible(actor))


def _long(actor: User) -> sql.Composed:
    return statements.long(_visible(actor))


def _named(rows: QuerySet[Any, Any], **columns: str) -> sql.Composed:
    """The statement of `rows` with these columns under these names."""
    inner = compiled(rows.values_list(*columns.values()))
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    return sql.SQL("SELECT * FROM ({}) AS t ({})").format(sql.SQL(inner), names)


def _participants(actor: User) -> sql.Composed:
    people = _named(
        Participant.objects.visible_to(actor).order_by("code"),
        trial="protocol_version__trial_id",
        protocol_version="protocol_version__version",
        hospital="site__code",
        participant="code",
        status="status",
        registered_at="created_at",
    )
    allocations = _named(
        arms.visible_to(actor).order_by(),
        participant="participant__code",
        arm="arm",
        allocated_at="allocated_at",
        envelope_opened_at="opened_at",
        in_error="correction__kind",
        in_error_reason="correction__reason",
        in_error_truth="correction__truth",
    )
    return sql.SQL(
        "SELECT p.*, a.arm, a.allocated_at, a.envelope_opened_at, a.in_error, a.in_error_reason, a.in_error_truth"
        " FROM ({}) p LEFT JOIN ({}) a USING (participant) ORDER BY p.participant"
    ).format(people, allocations)


def _visits(actor: User) -> sql.Composed:
    within = Case(When(in_window=True, then=Value("Y")), When(in_window=False, then=Value("N")))
    return _named(
        _permitted(Visit.objects.visible_to(actor))
        .annotate(within=within)
        .order_by("participant__code", "target_on", "code", "repeat"),
        trial=_TRIAL,
        hospital="site__code",
        participant="participant__code",
        visit="code",
        repeat="repeat",
        target_on="target_on",
        opens_on="opens_on",
        closes_on="closes_on",
        state="state",
        attended_on="attended_on",
        in_window="within",
    )


def _scores(actor: User) -> sql.Composed:
    return _named(
        _permitted(Score.objects.visible_to(actor)).order_by(
            "participant__code", "event", "instrument", "repeat", "pk"
        ),
        trial=_TRIAL,
        hospital="site__code",
        participant="participant__code",
        event="event",
        repeat="repeat",
        instrument="instrument",
        score="name",
        value="value",
        reason="reason",
        algorithm="algorithm",
        inputs="inputs",
        computed_at="computed_at",
    )


def _queries(actor: User) -> sql.Composed:
    """With what the hospital answered: how often, and its last words."""
    said = QueryMessage.objects.visible_to(actor).filter(query=OuterRef("pk"), act=QueryMessage.Act.ANSWER)
    number = said.order_by().values("query").annotate(number=Count("pk")).values("number")
    rows = _permitted(Query.objects.visible_to(actor)).annotate(
        answers=Coalesce(Subquery(number), 0),
        last_answer=Subquery(said.order_by("-created_at", "-pk").values("text")[:1]),
    )
    return _named(
        rows.order_by("participant__code", "created_at", "pk"),
        trial=_TRIAL,
        hospital="site__code",
        participant="participant__code",
        event="record__event",
        form="record__form",
        repeat="record__repeat",
        item="item",
        origin="origin",
        check="check_id",
        question="text_en",
        state="state",
        opened_at="created_at",
        answers="answers",
        last_answer="last_answer",
        closed_at="closed_at",
        closed_by="closed_by__username",
    )


def _signatures(actor: User) -> sql.Composed:
    """Every signature that the reader may see, standing or fallen, as 21 CFR 11.50 wants them shown, and over what."""
    this = OuterRef("pk")
    verdict, book = (
        SignedVerdict.objects.filter(signature=this),
        CasebookSignature.objects.filter(signature=this),
    )
    envelope = SignedVersion.objects.filter(signature=this, kind="envelope")
    over: dict[str, QuerySet[Any, Any]] = {
        "eligibility": verdict,
        "casebook": book,
        "envelope": envelope,
        "void_envelope": SignedVersion.objects.filter(signature=this, kind="void_envelope"),
        "activation": ActivationSignature.objects.filter(signature=this),
        "delegation": Delegation.objects.filter(signature=this),
        "access_review": AccessReview.objects.filter(signature=this),
    }
    rows = Signature.objects.visible_to(actor).annotate(
        what=Case(
            *(When(Exists(found), then=Value(what)) for what, found in over.items()), default=Value("roster")
        ),
        person=Coalesce(
            Subquery(verdict.values("participant")[:1]),
            Subquery(book.values("participant")[:1]),
            Subquery(envelope.values("record_id")[:1]),
            output_field=BigIntegerField(),
        ),
        code=Subquery(Participant.objects.filter(pk=OuterRef("person")).values("code")[:1]),
        # One trial has one database; a signature over a hospital's version or over people names no participant.
        trial=Subquery(ProtocolVersion.objects.order_by("-pk").values("trial_id")[:1]),
    )
    permitted = Participant.objects.use_permitted().order_by().values("pk")
    return _named(
        rows.filter(Q(person=None) | Q(person__in=permitted)).order_by("code", "signed_at", "pk"),
        trial="trial",
        hospital="site__code",
        participant="code",
        what="what",
        signed_by="signer__username",
        printed_name="printed_name",
        meaning="meaning",
        signed_at="signed_at",
        content_hash="content_hash",
        fallen_at="fallen_at",
        fallen_reason="fallen_reason",
    )


_LISTS: tuple[tuple[str, Text, Callable[[User], sql.Composed]], ...] = (
    ("participants", Text("Participants", "受试者"), _participants),
    ("visits", Text("Visits", "访视"), _visits),
    ("scores", Text("Scores and responses", "评分与疗效"), _scores),
    ("queries", Text("Queries", "质疑"), _queries),
    ("signatures", Text("Signatures", "电子签名"), _signatures),
)
