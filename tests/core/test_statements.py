"""Rows that are read and written by statements built once: the same rows as through Django's own."""

from django.forms.models import model_to_dict

from tests.path import walk
from trialsite.audit.context import acting
from trialsite.casebook.models import Record
from trialsite.core.statements import insert, row_of
from trialsite.participants.models import Participant


def test_a_row_that_is_read_and_one_that_is_written_are_those_of_django(
    db, site_a, site_b, coordinator, investigator, person
):
    participant = walk("operated", site=site_a, coordinator=coordinator, investigator=investigator)
    stranger = person("coordinator", site_b)
    with acting(coordinator):
        known = Record.objects.filter(participant=participant).earliest("pk")
        read = row_of(Record, known.pk, lock=True)
        assert read is not None
        assert model_to_dict(read) == model_to_dict(known)
        assert read.data == known.data
        assert read._state.db == "default"

        written = row_of(Record, known.pk)
        assert written is not None
        written.pk, written.repeat, written.data = None, 2, {"worst": {"value": "6", "si": "6"}}
        insert(written)
        again = Record.objects.get(pk=written.pk)
        assert model_to_dict(again) == model_to_dict(written)
        assert again.created_at == known.created_at
        written.version = 2
        written.save(update_fields=["version"])  # a row like any other from then on
        assert Record.objects.get(pk=written.pk).version == 2
    with acting(stranger):
        assert row_of(Participant, participant.pk, lock=True) is None
