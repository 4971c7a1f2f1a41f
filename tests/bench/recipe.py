"""Step 7 of the recipe in bare psycopg, on the real tables with their triggers: what any program would have to do."""

import datetime as dt
import hashlib
import json
from typing import Any

import psycopg
from django.conf import settings

from randomization import vault
from randomization.rules import ledger, sealing


def bare_allocate(
    line: psycopg.Connection[Any],
    *,
    actor: tuple[int, str],
    participant: tuple[int, str],
    stratum: str,
    key: str,
    recipients: list[str],
) -> None:
    """Lock, look up, ask for states and caps, take the next entry, open and check it, write row, head and messages."""
    with line.transaction():
        line.execute("SELECT set_config('edc.actor', %s, true)", [str(actor[0])])
        scheme = line.execute(
            "SELECT id, trial, environment, arms, state, position, head, least(cap, total_cap), edc_era_holds(id)"
            " FROM randomization_scheme FOR UPDATE"
        ).fetchone()
        assert scheme
        assert not line.execute(
            "SELECT 1 FROM randomization_allocation WHERE participant_id = %s", [participant[0]]
        ).fetchone()
        assert not line.execute(
            "SELECT 1 FROM randomization_allocation WHERE idempotency_key = %s", [key]
        ).fetchone()
        found = line.execute(
            "SELECT s.id, s.site_id, s.root, s.state, h.cap, (SELECT sum(o.next_index - 1) FROM randomization_stratum o"
            " WHERE o.site_id = s.site_id) FROM randomization_stratum s JOIN sites_site h ON h.id = s.site_id"
            " WHERE s.key = %s",
            [stratum],
        ).fetchone()
        assert found
        taken = line.execute(
            "UPDATE randomization_stratum SET next_index = next_index + 1 WHERE id = %s RETURNING next_index - 1",
            [found[0]],
        ).fetchone()
        assert taken
        sealed = line.execute(
            "SELECT ciphertext, leaf, path FROM randomization_sealedentry"
            " WHERE stratum_id = %s AND kind = 'main' AND index = %s",
            [found[0], taken[0]],
        ).fetchone()
        assert sealed
        place: dict[str, Any] = {"trial": scheme[1], "environment": scheme[2], "stratum": stratum}
        arm_byte, r = vault.unseal(
            vault.key_from(settings.SEQUENCE_KEY), bytes(sealed[0]), **place, index=taken[0], kind="main"
        )
        arm = scheme[3][arm_byte]
        path = [(side, bytes.fromhex(sibling)) for side, sibling in sealed[2]]
        assert sealing.proves(sealing.leaf(stratum, taken[0], arm, r), path, bytes.fromhex(found[2]))
        now = dt.datetime.now(dt.UTC)
        strata_hash = hashlib.sha256(stratum.encode()).hexdigest()
        head = ledger.Row(
            position=scheme[5] + 1,
            participant=participant[1],
            stratum=stratum,
            index=taken[0],
            arm=arm,
            r=r,
            strata_hash=strata_hash,
            eligibility_hash="0" * 64,
            user=actor[1],
            at=now.isoformat(timespec="microseconds"),
            previous=scheme[6],
        ).hash()
        line.execute(
            "UPDATE randomization_scheme SET position = position + 1, head = %s WHERE id = %s",
            [head, scheme[0]],
        )
        line.execute(
            "INSERT INTO randomization_allocation (created_at, participant_id, site_id, stratum_id, kind, index,"
            " strata, arm, r, path, strata_hash, eligibility_hash, idempotency_key, position, allocated_at,"
            " allocated_by_id, previous_hash, hash, reveals_arm) VALUES (%s, %s, %s, %s, 'main', %s, %s, %s, %s, %s,"
            " %s, %s, %s, %s, %s, %s, %s, %s, true)",
            [
                now,
                participant[0],
                found[1],
                found[0],
                taken[0],
                json.dumps({"site": stratum.removeprefix("site=")}),
                arm,
                r,
                json.dumps(sealed[2]),
                strata_hash,
                "0" * 64,
                key,
                scheme[5] + 1,
                now,
                actor[0],
                scheme[6],
                head,
            ],
        )
        for recipient in recipients:
            line.execute(
                "INSERT INTO outbox_message (created_at, key, kind, recipient, channel, payload, subject_code,"
                " site_id, due_at, state, attempts, answer) VALUES (%s, %s, 'allocation', %s, 'email', %s, %s, %s, %s,"
                " 'pending', 0, '')",
                [
                    now,
                    f"{key}:{recipient}",
                    recipient,
                    json.dumps({"participant": participant[1], "position": scheme[5] + 1, "head": head}),
                    participant[1],
                    found[1],
                    now,
                ],
            )
