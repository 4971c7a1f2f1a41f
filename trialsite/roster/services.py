"""Training, delegation, reviews of access: the only writes."""

import datetime as dt
from collections.abc import Sequence

from django.db.models import Q
from django.utils.translation import gettext as _

from trialsite.audit.context import acting
from trialsite.audit.models import Seal
from trialsite.core import clock
from trialsite.core.errors import Invalid
from trialsite.roster.errors import DelegatedAlready, EndedAlready, NotOfTheHospital
from trialsite.roster.models import AccessReview, Delegation, TrailReview, Training
from trialsite.roster.reading import report
from trialsite.sites.models import Site
from trialsite.staff import signatures
from trialsite.staff.access import require
from trialsite.staff.capabilities import ACCESS_REVIEW, DELEGATION_SIGN, TRAIL_REVIEW, TRAINING_RECORD
from trialsite.staff.models import User


def record_training(
    *,
    actor: User,
    site: Site,
    user: User,
    topic: str,
    completed_on: dt.date,
    evidence: str,
    valid_until: dt.date | None = None,
) -> Training:
    """Record that `user` completed a training, as their certificate says. Raises NotOfTheHospital or Invalid."""
    with acting(actor):
        require(actor, TRAINING_RECORD, site=site)
        _require_of_hospital(user, site)
        if completed_on > clock.today(site.timezone):
            raise Invalid(fields={"completed_on": [_("This date lies in the future.")]})
        if valid_until is not None and valid_until < completed_on:
            raise Invalid(fields={"valid_until": [_("This date lies before the training.")]})
        return Training.objects.create(
            site=site,
            user=user,
            topic=topic.strip(),
            completed_on=completed_on,
            valid_until=valid_until,
            evidence=evidence.strip(),
            recorded_by=actor,
        )


def delegate(
    *, actor: User, site: Site, user: User, tasks: Sequence[str], password: str, code: str = ""
) -> list[Delegation]:
    """The investigator in chief authorises `user` for `tasks` from now on, under one signature.

    Raises NotOfTheHospital, DelegatedAlready, WrongPassword, or Invalid naming `tasks`; then nothing is stored.
    """
    with acting(actor):
        require(actor, DELEGATION_SIGN, site=site)
        wanted = sorted(set(tasks))
        if not wanted or not set(wanted) <= set(Delegation.Task.values):
            raise Invalid(fields={"tasks": [_("Choose the tasks.")]})
        Site.objects.select_for_update().get(pk=site.pk)
        _require_of_hospital(user, site)
        held = Delegation.objects.open().filter(site=site, user=user, task__in=wanted)
        if held:
            raise DelegatedAlready(
                person=user.full_name, tasks=", ".join(str(one.get_task_display()) for one in held)
            )
        signature = signatures.sign(
            actor=actor,
            password=password,
            code=code,
            meaning=_("I authorise this person for these tasks."),
            content={"hospital": site.code, "person": user.username, "tasks": wanted},
            covers=[],
            site=site,
        )
        now = clock.now()
        made = [
            Delegation.objects.create(
                site=site, user=user, task=task, starts_at=now, authorised_by=actor, signature=signature
            )
            for task in wanted
        ]
        # Of each the one version: nothing but its end may change.
        signatures.cover(signature=signature, covers=[("delegation", one.pk, 1) for one in made])
        return made


def end_delegation(*, actor: User, delegation: Delegation, reason: str) -> Delegation:
    """End an authorisation now; the row stays. Raises EndedAlready, or Invalid without a reason."""
    with acting(actor, reason=reason):
        require(actor, DELEGATION_SIGN, site=delegation.site_id)
        if not reason.strip():
            raise Invalid(fields={"reason": [_("A reason is needed.")]})
        locked = Delegation.objects.select_for_update().get(pk=delegation.pk)
        if locked.ends_at is not None:
            raise EndedAlready
        locked.ends_at = clock.now()
        locked.save(update_fields=["ends_at"])
        return locked


def review_access(*, actor: User, site: Site, findings: str, password: str, code: str = "") -> AccessReview:
    """Sign that everybody's access to `site` was looked through; the report of this moment is kept with it."""
    with acting(actor):
        require(actor, ACCESS_REVIEW, site=site)
        if not findings.strip():
            raise Invalid(fields={"findings": [_("Say what was found, or that nothing was.")]})
        shown = [row.document() for row in report(actor, site)]
        signature = signatures.sign(
            actor=actor,
            password=password,
            code=code,
            meaning=_("I have looked through everybody's access to this hospital."),
            content={"hospital": site.code, "report": shown, "findings": findings.strip()},
            covers=[],
            site=site,
        )
        review = AccessReview.objects.create(
            site=site,
            reviewed_at=signature.signed_at,
            reviewer=actor,
            report=shown,
            findings=findings.strip(),
            signature=signature,
        )
        signatures.cover(signature=signature, covers=[("access_review", review.pk, 1)])
        return review


def review_trail(
    *, actor: User, site: Site, since: dt.date, until: dt.date, scope: str, findings: str
) -> TrailReview:
    """Record that the trail of `site` was reviewed from `since` to `until`; the head of this moment is kept with it."""
    with acting(actor):
        require(actor, TRAIL_REVIEW, site=site)
        wrong = {
            name: [_("This is needed.")]
            for name, text in (("scope", scope), ("findings", findings))
            if not text.strip()
        }
        if until < since or until > clock.today(site.timezone):
            wrong["until"] = [_("The end lies before the beginning or in the future.")]
        if wrong:
            raise Invalid(fields=wrong)
        newest = Seal.objects.first()
        return TrailReview.objects.create(
            site=site,
            reviewed_at=clock.now(),
            reviewer=actor,
            since=since,
            until=until,
            scope=scope.strip(),
            findings=findings.strip(),
            head=newest.hash if newest else "",
        )


def _require_of_hospital(user: User, site: Site) -> None:
    """Someone who works there, at all hospitals or at this one; locks nothing, a role may end at any time."""
    if not user.memberships.current().filter(Q(site=None) | Q(site=site)).exists():
        raise NotOfTheHospital(
            person=user.full_name,
            site=site.name,
            fields={"user": [str(NotOfTheHospital.message).format(person=user.full_name, site=site.name)]},
        )
