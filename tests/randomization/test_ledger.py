"""What `verify` finds after someone with all rights, triggers off, has changed the ledger; and what only mails show."""

import pytest
from django.core.management import CommandError, call_command

from randomization import witness
from randomization.models import Allocation, Scheme
from randomization.services import install_list
from randomization.verification import verify
from tests.path import walk
from tests.randomization import independent
from tests.randomization.stories import allocated, as_superuser, made_list, randomize
from trialsite.audit.context import acting
from trialsite.core.errors import Forbidden

TABLES = ("allocation", "scheme", "stratum", "sealedentry")
# What an edit of one row turns a value into, by the column's type.
OTHER = {
    "integer": "{0} + 1000",
    "character varying": "overlay({0} placing 'zz' from 1)",
    "bytea": "set_bit({0}, 5, 1 - get_bit({0}, 5))",
    "jsonb": """'[["L", "00"]]'::jsonb""",
    "timestamp with time zone": "{0} + interval '1 microsecond'",
}
_SPARE = "(SELECT max(id) FROM participants_participant)"
OTHER_ROW = {
    "participant_id": _SPARE,
    "stratum_id": "(SELECT id FROM randomization_stratum WHERE key = 'site=PKUPH')",
    "site_id": "(SELECT site_id FROM randomization_stratum WHERE key = 'site=PKUPH')",
    "allocated_by_id": "allocated_by_id + 1",
    "kind": "'emergency'",
}
# Columns that the ledger does not bind: the audit trail alone keeps their history. When an envelope was opened stands
# under two signatures besides.
UNBOUND = {"id", "created_at", "idempotency_key", "reveals_arm", "opened_at"}


@pytest.fixture
def filled(committed, cluster, team_a, team_b, loader):
    """Three allocations at one hospital, two at the other; one participant without; copies to come back to."""
    install_list(actor=loader, document=made_list(), total_cap=120)
    for team in (team_a, team_b, team_a, team_b, team_a):
        allocated(team, walk("registered", **team))
    walk("registered", **team_a)
    as_superuser(cluster, *(f"CREATE TABLE saved_{name} AS TABLE randomization_{name}" for name in TABLES))
    assert verify(actor=loader) == []
    return loader


def put_back(cluster):
    as_superuser(
        cluster,
        *(f"DELETE FROM randomization_{name}" for name in TABLES),
        *(f"INSERT INTO randomization_{name} SELECT * FROM saved_{name}" for name in TABLES),
    )


def overlooked(cluster, loader, changes):
    """The changes, by name, after which `verify` still says that all is well."""
    missed = []
    for name, statements in changes.items():
        as_superuser(cluster, *statements)
        if not verify(actor=loader):
            missed.append(name)
        put_back(cluster)
    assert verify(actor=loader) == []
    return missed


def test_an_edit_of_any_column_of_any_row_is_found(filled, cluster):
    columns = as_superuser(
        cluster,
        "SELECT column_name, data_type FROM information_schema.columns"
        " WHERE table_name = 'randomization_allocation' ORDER BY column_name",
    )
    edits = {
        f"{column} at {position}": [
            f"UPDATE randomization_allocation SET {column} = {OTHER[kind].format(column)} WHERE position = {position}"
        ]
        for column, kind in columns
        if column not in UNBOUND | set(OTHER_ROW)
        for position in (1, 3, 5)
    }
    edits |= {
        f"{column} at {position}": [
            f"UPDATE randomization_allocation SET {column} = {other} WHERE position = {position}"
        ]
        for column, other in OTHER_ROW.items()
        for position in (1, 3, 5)
    }
    assert {"arm at 1", "r at 5", "allocated_at at 3", "path at 1"} <= set(edits)
    assert overlooked(cluster, filled, edits) == []


_INSERTED = f"""
    INSERT INTO randomization_allocation (created_at, participant_id, site_id, stratum_id, kind, index,
      strata, arm, r, path,
      strata_hash, eligibility_hash, idempotency_key, position, allocated_at, allocated_by_id, previous_hash, hash,
      reveals_arm)
    SELECT created_at, {_SPARE}, site_id, stratum_id, kind, index + 1, strata, arm, r, path,
      strata_hash, eligibility_hash,
      'inserted', 6, allocated_at, allocated_by_id, hash, repeat('a', 64), true
    FROM randomization_allocation WHERE position = 5"""
CHANGES = {
    "the first row deleted": ["DELETE FROM randomization_allocation WHERE position = 1"],
    "a row in the middle deleted": ["DELETE FROM randomization_allocation WHERE position = 3"],
    "the last row deleted": ["DELETE FROM randomization_allocation WHERE position = 5"],
    "the last row deleted, position counted back": [
        "DELETE FROM randomization_allocation WHERE position = 5",
        "UPDATE randomization_scheme SET position = 4",
    ],
    "the last row deleted, ledger set back, list not": [
        "DELETE FROM randomization_allocation WHERE position = 5",
        "UPDATE randomization_scheme SET position = 4, head ="
        " (SELECT hash FROM randomization_allocation WHERE position = 4)",
    ],
    "all rows deleted": ["DELETE FROM randomization_allocation"],
    "all rows deleted, counters set back": [
        "DELETE FROM randomization_allocation",
        "UPDATE randomization_scheme SET position = 0",
        "UPDATE randomization_stratum SET next_index = 1",
    ],
    "a row in the middle deleted and the gap closed": [
        "DELETE FROM randomization_allocation WHERE position = 3",
        "UPDATE randomization_allocation SET position = position - 1 WHERE position = 4",
        "UPDATE randomization_allocation SET position = position - 1 WHERE position = 5",
        "UPDATE randomization_scheme SET position = 4",
    ],
    "two rows in each other's place": [
        "UPDATE randomization_allocation SET position = 99 WHERE position = 2",
        "UPDATE randomization_allocation SET position = 2 WHERE position = 3",
        "UPDATE randomization_allocation SET position = 3 WHERE position = 99",
    ],
    "two entries of a stratum in each other's place": [
        "UPDATE randomization_allocation SET index = 99 WHERE position = 1",
        "UPDATE randomization_allocation SET index = 1 WHERE position = 3",
        "UPDATE randomization_allocation SET index = 2 WHERE position = 1",
    ],
    "two participants exchanged": [
        "CREATE TEMPORARY TABLE pair AS SELECT position, participant_id FROM randomization_allocation"
        " WHERE position IN (1, 3)",
        "UPDATE randomization_allocation SET participant_id = -1 WHERE position = 1",
        "UPDATE randomization_allocation SET participant_id ="
        " (SELECT participant_id FROM pair WHERE position = 1) WHERE position = 3",
        "UPDATE randomization_allocation SET participant_id ="
        " (SELECT participant_id FROM pair WHERE position = 3) WHERE position = 1",
    ],
    "a row inserted": [_INSERTED],
    "a row inserted, position counted on": [_INSERTED, "UPDATE randomization_scheme SET position = 6"],
    "a row inserted, all counters moved on": [
        _INSERTED,
        "UPDATE randomization_scheme SET position = 6, head = repeat('a', 64)",
        "UPDATE randomization_stratum SET next_index = 5 WHERE key = 'site=SHGH'",
    ],
    "position counted on": ["UPDATE randomization_scheme SET position = 6"],
    "another head": ["UPDATE randomization_scheme SET head = repeat('0', 64)"],
    "an older head": [
        "UPDATE randomization_scheme SET head = (SELECT hash FROM randomization_allocation WHERE position = 4)"
    ],
    "an entry skipped": [
        "UPDATE randomization_stratum SET next_index = next_index + 1 WHERE key = 'site=PKUPH'"
    ],
    "an entry given back": ["UPDATE randomization_stratum SET next_index = 3 WHERE key = 'site=SHGH'"],
    "another root": ["UPDATE randomization_stratum SET root = repeat('0', 64) WHERE key = 'site=PKUPH'"],
    "another trial": ["UPDATE randomization_scheme SET trial = 'NCT00000000'"],
    "another environment": ["UPDATE randomization_scheme SET environment = 'prod'"],
    "another specification": ["UPDATE randomization_scheme SET specification_hash = repeat('0', 64)"],
    "a leaf that nobody has used": [
        "UPDATE randomization_sealedentry SET leaf = set_bit(leaf, 9, 1 - get_bit(leaf, 9)) WHERE index = 120"
    ],
    "a ciphertext that nobody has opened": [
        "UPDATE randomization_sealedentry SET ciphertext = set_bit(ciphertext, 99, 1 - get_bit(ciphertext, 99))"
        " WHERE index = 119"
    ],
    "two ciphertexts that nobody has opened in each other's place": [
        "UPDATE randomization_sealedentry e SET ciphertext = o.ciphertext FROM randomization_sealedentry o"
        " WHERE o.stratum_id = e.stratum_id AND o.kind = e.kind AND e.index IN (110, 111) AND o.index = 221 - e.index"
    ],
    "a path that nobody has used": ["UPDATE randomization_sealedentry SET path = path - 0 WHERE index = 118"],
    "a specification that does not open": [
        "UPDATE randomization_scheme SET rule = set_bit(rule, 99, 1 - get_bit(rule, 99))"
    ],
    "an entry that nobody has used is gone": ["DELETE FROM randomization_sealedentry WHERE index = 120"],
    "an entry too many": [
        "INSERT INTO randomization_sealedentry (created_at, stratum_id, kind, index, ciphertext, leaf, path)"
        " SELECT created_at, stratum_id, kind, 121, ciphertext, leaf, path"
        " FROM randomization_sealedentry WHERE index = 7"
    ],
    "all entries gone": ["DELETE FROM randomization_sealedentry"],
}


def test_deletion_insertion_and_reordering_are_found(filled, cluster):
    assert overlooked(cluster, filled, CHANGES) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE participants_participant SET code = '01-999' WHERE code = '01-001'",
        "UPDATE staff_user SET username = 'someone.else' WHERE id = (SELECT min(allocated_by_id) FROM"
        " randomization_allocation)",
    ],
    ids=["participant", "user"],
)
def test_another_name_for_a_participant_or_a_user_of_the_ledger_is_found(filled, cluster, statement):
    as_superuser(cluster, statement)
    assert any("content does not fit" in sentence for sentence in verify(actor=filled))


def rewritten(loader, change):
    """Statements that apply `change` to the rows and write all hashes anew, as someone would who knows the format."""
    with acting(loader):
        rows = list(Allocation.objects.select_related("stratum", "allocated_by", "participant"))
        scheme = Scheme.objects.get()
    contents = [
        {
            "position": row.position,
            "participant": row.participant.code,
            "stratum": row.stratum.key,
            "index": row.index,
            "arm": row.arm,
            "r": bytes(row.r),
            "strata_hash": row.strata_hash,
            "eligibility_hash": row.eligibility_hash,
            "kind": row.kind,
            "user": row.allocated_by.username,
            "at": row.allocated_at.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00"),
        }
        for row in rows
    ]
    change(contents)
    head, statements = rows[0].previous_hash, []
    for row, content in zip(rows, contents, strict=True):
        new = independent.ledger_hash({**content, "previous": head})
        statements.append(
            f"UPDATE randomization_allocation SET arm = '{content['arm']}', participant_id ="
            f" (SELECT id FROM participants_participant WHERE code = '{content['participant']}'),"
            f" allocated_at = '{content['at']}', previous_hash = '{head}', hash = '{new}' WHERE id = {row.pk}"
        )
        head = new
    for row in rows:  # no hash may stand twice on the way
        statements.insert(
            0,
            f"UPDATE randomization_allocation SET participant_id = -id, hash = '{row.pk}', previous_hash = '{row.pk}'"
            f" WHERE id = {row.pk}",
        )
    return [*statements, f"UPDATE randomization_scheme SET head = '{head}' WHERE id = {scheme.pk}"]


def test_an_arm_changed_with_all_hashes_written_anew_is_still_found(filled, cluster):
    def other_arm(contents):
        arms = {"RFA_PVP": "RFA_PVP_SBRT", "RFA_PVP_SBRT": "RFA_PVP"}
        contents[2]["arm"] = arms[contents[2]["arm"]]

    as_superuser(cluster, *rewritten(filled, other_arm))
    assert verify(actor=filled) == ["position 3: the arm is not the one of the published list"]


def test_a_time_changed_with_all_hashes_written_anew_shows_in_the_mailed_heads_only(filled, cluster):
    """The limit that docs/randomization-format.md names: a whole rewrite is found by comparing heads."""

    def another_hour(contents):
        contents[1]["at"] = "2026-01-01T00:00:00.000001+00:00"

    with acting(filled):
        mailed = dict(Allocation.objects.values_list("position", "hash"))
    as_superuser(cluster, *rewritten(filled, another_hour))
    assert verify(actor=filled) == []
    found = verify(actor=filled, heads=mailed.items())
    assert found == [f"position {at}: a head that was given says another head" for at in (2, 3, 4, 5)]
    with acting(filled):
        kept = dict(Allocation.objects.values_list("position", "hash"))
    assert [position for position in mailed if mailed[position] != kept[position]] == [2, 3, 4, 5]


def test_a_whole_rewrite_differs_from_the_witness_from_the_messages_and_from_a_file_of_heads(
    filled, cluster, team_a, settings, tmp_path, capsys
):
    settings.WITNESS_FILE = str(tmp_path / "ledger.jsonl")
    with acting(filled):
        scheme, kept = Scheme.objects.get(), list(Allocation.objects.values_list("position", "hash"))
    for position, head in kept:
        seen = witness.Head(scheme.trial, scheme.environment, position, head)
        witness.append(seen, begins=position == 1)
    randomize(team_a, walk("operated", **team_a), "with a mail")
    heads = tmp_path / "heads"
    heads.write_text("".join(f"{position} {head.upper()}\n" for position, head in kept) + "\n")
    call_command("verify_randomization", "--heads", str(heads))

    def another_hour(contents):
        contents[-1]["at"] = "2026-01-01T00:00:00.000001+00:00"

    as_superuser(cluster, *rewritten(filled, another_hour))
    assert verify(actor=filled) == [
        "position 6: a mail that was put says another head",
        "position 6: the witness says another head",
    ]
    heads.write_text(f"5 {'0' * 64}")
    with pytest.raises(CommandError, match="3 findings"):
        call_command("verify_randomization", "--heads", str(heads))
    for wrong in ("five heads", ""):
        heads.write_text(wrong)
        with pytest.raises(CommandError, match="cannot be read" if wrong else "2 findings"):
            call_command("verify_randomization", "--heads", str(heads))


@pytest.mark.django_db
def test_only_who_manages_the_sequence_verifies(trial_manager, coordinator):
    for actor in (trial_manager, coordinator):
        with pytest.raises(Forbidden):
            verify(actor=actor)
