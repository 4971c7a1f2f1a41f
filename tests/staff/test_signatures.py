"""Electronic signatures: two components, bound to the content, fallen when it changes."""

import pytest
from django.db import IntegrityError, transaction

from tests.conftest import PASSWORD
from trialsite.audit.context import acting
from trialsite.staff import signatures
from trialsite.staff.errors import WrongPassword
from trialsite.staff.models import Signature

pytestmark = pytest.mark.django_db
CONTENT = {"b": 2, "a": "甲"}


def _sign(actor, site, password=PASSWORD, covers=(("record", 7, 1),)):
    return signatures.sign(
        actor=actor, password=password, meaning="I agree", content=CONTENT, covers=covers, site=site
    )


def test_a_signature_prints_name_time_and_meaning_and_binds_the_content(investigator, site_a):
    with acting(investigator):
        signed = _sign(investigator, site_a)
    assert (signed.printed_name, signed.meaning) == (investigator.full_name, "I agree")
    assert signed.content_hash == signatures.canonical_hash({"a": "甲", "b": 2})
    assert signed.standing


def test_a_wrong_password_signs_nothing(investigator, site_a):
    with acting(investigator), pytest.raises(WrongPassword):
        _sign(investigator, site_a, password="wrong horse battery")
    with acting(investigator):
        assert not Signature.objects.filter(signer=investigator).exists()


def test_it_falls_when_a_covered_record_changes_and_says_why(investigator, site_a):
    with acting(investigator):
        signed, other = _sign(investigator, site_a), _sign(investigator, site_a, covers=[("record", 8, 1)])
        assert signatures.fall(covers=[("record", 7)], reason="labs changed") == 1
        signed.refresh_from_db()
        other.refresh_from_db()
    assert (signed.standing, signed.fallen_reason, other.standing) == (False, "labs changed", True)


def test_a_signature_cannot_be_rewritten_or_deleted(investigator, site_a):
    with acting(investigator):
        signed = _sign(investigator, site_a)
        for change in (
            lambda: Signature.objects.filter(pk=signed.pk).update(meaning="something else"),
            lambda: Signature.objects.filter(pk=signed.pk)._raw_delete(using="default"),
        ):
            with pytest.raises(IntegrityError), transaction.atomic():
                change()
        signed.refresh_from_db()
    assert signed.meaning == "I agree"
