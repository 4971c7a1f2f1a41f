"""The register of limits of normal: what each hospital's laboratory calls the upper limit, from which day on."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.casebook.errors import LimitTaken
from trialsite.casebook.messages import worded
from trialsite.casebook.models import NormalLimit, Record
from trialsite.casebook.rules import Limit, range_fault
from trialsite.core import clock
from trialsite.core.errors import Invalid
from trialsite.participants.models import Participant
from trialsite.protocol.definition import Choice, Definition, Form, Item
from trialsite.sites.models import Site
from trialsite.staff.access import require
from trialsite.staff.capabilities import LIMIT_MANAGE
from trialsite.staff.models import User


def enter(
    *,
    actor: User,
    site: Site,
    definition: Definition,
    form: str,
    item: str,
    value: str | Decimal,
    unit: str = "",
    valid_from: dt.date,
    source: str,
    sex: str = "",
    valid_until: dt.date | None = None,
) -> NormalLimit:
    """Enter a limit; the same again gives the row that stands. Raises Invalid naming the field, LimitTaken."""
    with acting(actor):
        require(actor, LIMIT_MANAGE, site=site)
        Site.objects.select_for_update().get(pk=site.pk)
        described = _item(definition, form, item)
        number, known_unit = _positive(value), _unit(described, unit)
        fault = range_fault(described, Fraction(number), known_unit, code="uln_out_of_range")
        if fault:
            raise Invalid(fields=worded({"value": fault}))
        content = {"value": number, "unit": known_unit, "valid_until": valid_until}
        codes = [choice.code for choice in sexes(definition)]
        if sex and sex not in codes:
            listed = ", ".join(codes) or "–"
            raise Invalid(fields={"sex": [_("Choose one of: {choices}.").format(choices=listed)]})
        if valid_until and valid_until < valid_from:
            raise Invalid(fields={"valid_until": [_("This lies before the first day.")]})
        if not source.strip():
            raise Invalid(
                fields={"source": [_("Say where the limit is from, such as the laboratory's report.")]}
            )
        key = {"site": site, "form": form, "item": item, "sex": sex, "valid_from": valid_from}
        standing = NormalLimit.objects.standing().filter(**key).first()
        if standing is None:
            return NormalLimit.objects.create(**key, **content, source=source.strip(), entered_by=actor)
        if any(getattr(standing, name) != wanted for name, wanted in content.items()):
            raise LimitTaken(item=described.label, day=valid_from)
        return standing


def withdraw(*, actor: User, limit: NormalLimit, reason: str) -> NormalLimit:
    """Take a wrong limit out of the register.

    Records that took it keep it until they are saved again, or the participant's sex is corrected.
    """
    with acting(actor, reason=reason):
        require(actor, LIMIT_MANAGE, site=limit.site_id)
        if not reason.strip():
            raise Invalid(fields={"reason": [_("A reason is needed.")]})
        locked = NormalLimit.objects.select_for_update().get(pk=limit.pk)
        if locked.withdrawn_at is None:
            locked.withdrawn_at = clock.now()
            locked.save(update_fields=["withdrawn_at"])
        return locked


def valid(*, site_id: int, form: Form, on: dt.date, sex: str) -> dict[str, Limit]:
    """The limits of a hospital that hold on a day: those for the sex given before those for both."""
    rows = NormalLimit.objects.standing().filter(site=site_id, form=form.code, valid_from__lte=on)
    found: dict[str, Limit] = {}
    decided: set[tuple[str, str]] = set()
    for row in rows.filter(sex__in={sex, ""}).order_by("item", "-sex", "-valid_from"):
        if row.item in form.items and row.item not in found and (row.item, row.sex) not in decided:
            decided.add((row.item, row.sex))
            if row.valid_until is None or on <= row.valid_until:
                factor = form.items[row.item].accepted_units.get(row.unit, Fraction(1))
                found[row.item] = Limit(Fraction(row.value) * factor, row.pk, row.valid_from, row.valid_until)
    return found


def for_values(
    participant: Participant, definition: Definition, form: Form, values: Mapping[str, Any]
) -> dict[str, Limit]:
    """The limits that stand in for those not entered: of the participant's hospital, on the day of the sample."""
    if not any(item.uln for item in form.items.values()):
        return {}
    given = values.get(form.observed_item or "")
    given = given.get("value") if isinstance(given, Mapping) else given
    try:
        on = dt.date.fromisoformat(given) if isinstance(given, str) else None
    except ValueError:
        on = None
    if on is None:
        return {}
    return valid(site_id=participant.site_id, form=form, on=on, sex=_sex_of(participant, definition))


def _sex_of(participant: Participant, definition: Definition) -> str:
    form, _dot, item = (definition.sex_item or "").partition(".")
    record = Record.objects.filter(participant=participant, form=form, state="complete").first()
    return str(record.data.get(item, {}).get("value", "")) if record else ""


def _item(definition: Definition, form: str, item: str) -> Item:
    known = {one.code: one for one in definition.forms}
    if form not in known:
        raise Invalid(fields={"form": [_("There is no such form.")]})
    found = known[form].items.get(item)
    if found is None or not found.uln:
        raise Invalid(fields={"item": [_("This item has no upper limit of normal.")]})
    return found


def _unit(item: Item, unit: str) -> str:
    if not item.accepted_units:
        if unit:
            raise Invalid(fields={"unit": [_("This item has no unit.")]})
        return ""
    if (unit or item.unit) not in item.accepted_units:
        units = ", ".join(item.accepted_units)
        raise Invalid(
            fields={"unit": [_("This unit is not accepted. Accepted are: {units}.").format(units=units)]}
        )
    return unit or item.unit or ""


def _positive(value: str | Decimal) -> Decimal:
    try:
        number = Decimal(value)
        exact = number.quantize(Decimal("0.000001"))
    except (InvalidOperation, ValueError, TypeError) as error:
        raise Invalid(
            fields={"value": [_("This is not a number. Write digits and a point, such as 12.5.")]}
        ) from error
    if exact != number or not 0 < number < 10**9:
        raise Invalid(fields={"value": [_("Give a positive number with at most six decimals.")]})
    return exact


def sexes(definition: Definition) -> tuple[Choice, ...]:
    """The codes by which the protocol tells the sexes apart; none where it does not."""
    form, _dot, item = (definition.sex_item or "").partition(".")
    known = {one.code: one for one in definition.forms}
    return known[form].items[item].choices if form in known else ()
