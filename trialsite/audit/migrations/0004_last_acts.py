"""When an account acted last: by an index, and by a function that tells nothing else of the trail."""

from django.db import migrations, models

LAST_ACTS = """
-- Runs as its owner: whoever reviews access may know when an account acted last, not what it did.
CREATE FUNCTION edc_last_acts(users bigint[])
RETURNS TABLE (actor_id bigint, signed_in_at timestamptz, acted_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT u.id,
           (SELECT e.at FROM audit_event e WHERE e.actor_id = u.id AND e.action = 'sign_in' ORDER BY e.id DESC LIMIT 1),
           (SELECT e.at FROM audit_event e WHERE e.actor_id = u.id ORDER BY e.id DESC LIMIT 1)
      FROM unnest(users) AS u (id) WHERE edc_actor() IS NOT NULL
$$;
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_seals")]

    operations = [
        migrations.AlterField(
            "event", "actor_id", models.BigIntegerField(verbose_name="person")
        ),
        migrations.AddIndex("event", models.Index(fields=["actor_id", "id"], condition=models.Q(action="sign_in"), name="audit_by_sign_in")),
        migrations.AddIndex("event", models.Index(fields=["actor_id", "id"], name="audit_by_person")),
        migrations.RunSQL(LAST_ACTS, "DROP FUNCTION edc_last_acts(bigint[])"),
    ]
