"""A sealed list comes in once for ever, and only the one that was made for this trial, here."""

import base64
import copy
import hashlib
import itertools
import json
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings

from randomization import vault
from randomization.errors import BadList
from randomization.generation import DEMO_SECRET
from randomization.models import Scheme, SealedEntry, Stratum
from randomization.services import install_list
from randomization.verification import verify
from tests.randomization import independent
from tests.randomization.stories import made_list, made_specification
from trialsite.audit.context import acting
from trialsite.core.errors import Forbidden
from trialsite.staff.capabilities import CAPABILITIES, SEQUENCE_MANAGE

pytestmark = pytest.mark.django_db
KEY = vault.key_from(settings.SEQUENCE_KEY)


def refused(statistician, document, match, total_cap=120):
    with pytest.raises(BadList, match=match):
        install_list(actor=statistician, document=document, total_cap=total_cap)
    with acting(statistician):
        assert not Scheme.objects.exists()


def test_what_is_installed_is_what_the_statistician_made(statistician, loader):
    document = made_list()
    scheme = install_list(actor=statistician, document=document, total_cap=120)
    with acting(statistician):
        assert (scheme.position, scheme.state, scheme.total_cap) == (0, "active", 120)
        stored = dict(Stratum.objects.values_list("key", "root"))
        entries = SealedEntry.objects.filter(stratum__key="site=SMU3").order_by("index")
        ciphertexts = [bytes(entry.ciphertext).hex() for entry in entries]
    roots = {part["stratum"]: part["root"] for part in document["strata"]}
    (part,) = [part for part in document["strata"] if part["stratum"] == "site=SMU3"]
    assert stored == roots
    assert ciphertexts == [entry["ciphertext"] for entry in part["entries"]]
    assert scheme.head == independent.genesis(
        document["trial"], "demo", document["specification_hash"], roots
    )
    assert verify(actor=loader) == []


def test_the_total_cap_is_the_protocols_or_a_lower_one(statistician, tmp_path):
    for cap in (121, 0, -1):
        refused(statistician, made_list(length=200), "not one from 1 to the protocol's 120", total_cap=cap)
    file = tmp_path / "list.json"
    file.write_text(json.dumps(made_list(length=200)), encoding="utf-8")
    call_command("install_list", str(file), "--actor", statistician.username)
    with acting(statistician):
        assert Scheme.objects.get().total_cap == 120, "however long the list is"


def test_the_second_list_is_refused_be_it_the_same_or_another(statistician):
    first = made_list()
    install_list(actor=statistician, document=first, total_cap=120)
    for document in (first, made_list(bytes(32))):
        with pytest.raises(BadList, match="installed already"):
            install_list(actor=statistician, document=document, total_cap=120)
    with acting(statistician):
        assert Scheme.objects.count() == 1
        assert SealedEntry.objects.count() == 3 * 120


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"trial": "NCT00000000"}, "made for the trial NCT00000000"),
        ({"environment": "prod"}, "made for the environment prod"),
        ({"environment": "training"}, "made for the environment training"),
        ({"arms": ("A", "B")}, "its arms are"),
        ({"strata": ("site=SHGH", "site=SMU3")}, "its strata are"),
        ({"strata": ("site=SHGH", "site=SMU3", "site=NOWHERE")}, "its strata are"),
        ({"strata": ("site=SHGH;ecog=1", "site=SMU3;ecog=1", "site=PKUPH;ecog=1")}, "its strata are"),
        ({"length": 119}, "fewer entries than the total cap"),
    ],
)
def test_a_list_for_another_place_is_refused(statistician, changes, match):
    refused(statistician, made_list(**changes), match)


def test_a_list_of_the_demo_secret_is_refused_in_production_and_an_honest_one_is_not(statistician):
    with override_settings(TRIALSITE_ENV="prod"):
        refused(statistician, made_list(DEMO_SECRET, environment="prod"), "demo's secret")
        refused(statistician, made_list(DEMO_SECRET), "made for the environment demo")
        install_list(actor=statistician, document=made_list(environment="prod"), total_cap=120)


def _swap_entries(document):
    one, other = document["strata"][0]["entries"][:2]
    one["leaf"], other["leaf"] = other["leaf"], one["leaf"]


def _change_a_leaf(document):
    leaf = document["strata"][1]["entries"][-1]["leaf"]
    document["strata"][1]["entries"][-1]["leaf"] = leaf[:-1] + ("0" if leaf[-1] != "0" else "1")


def _swap_strata(document):
    one, other = document["strata"][:2]
    one["entries"], other["entries"] = other["entries"], one["entries"]


def _twice_one_stratum(document):
    document["strata"][1] = copy.deepcopy(document["strata"][0])


def _lend_a_ciphertext(document, kind=""):
    one, other = [(part[kind] if kind else part)["entries"] for part in document["strata"][:2]]
    one[0]["ciphertext"] = other[0]["ciphertext"]


def _seal_rule(document, text):
    """The rule sealed by whoever has the key, with the hash that fits it."""
    place = {name: document[name] for name in ("trial", "environment")}
    document["rule"] = vault.seal_rule(KEY, text, **place).hex()
    document["specification_hash"] = hashlib.sha256(text.encode()).hexdigest()


def _another_rule(document):
    published = document["specification_hash"]
    _seal_rule(document, made_specification(block_sizes=(4,), emergency=2).text())
    document["specification_hash"] = published


def _rule_of_another_length(document):
    _seal_rule(document, made_specification(length=119, emergency=2).text())


def _rule_of_draws(document):
    changes = {"method": "minimisation", "probability": 800, "weights": (("site", 1),), "block_sizes": ()}
    _seal_rule(document, made_specification(emergency=2, **changes).text())


DAMAGE = {
    "two leaves change places": (_swap_entries, "do not fit its root"),
    "a leaf is changed": (_change_a_leaf, "do not fit its root"),
    "two strata change places": (_swap_strata, "do not fit its root"),
    "a stratum stands twice": (_twice_one_stratum, "its strata are"),
    "an entry is missing": (lambda document: document["strata"][0]["entries"].pop(3), "without gaps|fewer"),
    "numbered from 2": (
        lambda document: [
            entry.update(index=entry["index"] + 1) for entry in document["strata"][0]["entries"]
        ],
        "without gaps",
    ),
    "another format": (lambda document: document.update(format="list-2"), "its format is not"),
    "arms in another order": (lambda document: document["arms"].reverse(), "its arms are"),
    "no commitment": (lambda document: document.update(commitments={}), "commitments"),
    "a ciphertext is not hexadecimal": (
        lambda document: document["strata"][0]["entries"][0].update(ciphertext="xyz"),
        "ciphertext",
    ),
    "an entry of another place": (_lend_a_ciphertext, r"entry 1 \(main\) of site=SHGH does not open"),
    "an envelope of another place": (
        lambda document: _lend_a_ciphertext(document, "emergency"),
        r"entry 1 \(emergency\) of site=SHGH does not open",
    ),
    "the rule is not the published one": (_another_rule, "does not open to the published hash"),
    "another hash is published": (
        lambda document: document.update(specification_hash="0" * 64),
        "does not open to the published hash",
    ),
    "the rule is shorter than the list": (_rule_of_another_length, "not those of its specification"),
    "an arm where a draw is promised": (_rule_of_draws, "entry 1 .main. of site=SHGH does not open"),
    "the rule is no specification": (lambda document: _seal_rule(document, "[1]"), "cannot be read"),
    "entries are a word": (lambda document: document["strata"][0].update(entries="none"), "entries"),
}


@pytest.mark.parametrize(("damage", "match"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_refused_before_anything_is_written(statistician, damage, match):
    document = made_list(emergency=2)
    damage(document)
    refused(statistician, document, match)


def test_a_list_sealed_under_the_key_of_another_server_is_refused(statistician):
    with override_settings(SEQUENCE_KEY=base64.b64encode(bytes(32)).decode()):
        foreign = made_list()
    refused(statistician, foreign, "SEQUENCE_KEY")
    # Its rule alone under this server's key is not enough.
    foreign["rule"] = made_list()["rule"]
    refused(statistician, foreign, r"entry 1 \(main\) of site=SHGH does not open")


def test_a_file_without_one_of_its_parts_or_with_another_type_is_refused_and_no_crash(statistician):
    whole = made_list()
    strange: list[Any] = [None, [], "list", 7, {}]
    strange += [{name: part for name, part in whole.items() if name != missing} for missing in whole]
    strange += [{**whole, name: value} for name, value in itertools.product(whole, (None, 3, [], {}, [[]]))]
    for document in (one for one in strange if one != whole):
        refused(statistician, document, None)


@pytest.mark.parametrize("role", sorted(set(CAPABILITIES) - {"system"}))
def test_only_who_manages_the_sequence_installs_a_list(person, role):
    actor, document = person(role), made_list()
    if SEQUENCE_MANAGE in CAPABILITIES[role]:
        assert role == "statistician"
        install_list(actor=actor, document=document, total_cap=120)
    else:
        with pytest.raises(Forbidden):
            install_list(actor=actor, document=document, total_cap=120)
