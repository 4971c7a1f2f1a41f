"""Who may not see arms reads a trail without them, and finds no hidden row by counting keys."""

from django.db import migrations

BLINDED = """
-- 52 random bits: exact in every program that reads JSON, and never told apart by the order of their making.
CREATE FUNCTION edc_scattered_id() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT ('x' || right(replace(gen_random_uuid()::text, '-', ''), 13))::bit(52)::bigint
$$;

-- Whoever may not see arms at a hospital reads there what was done to data that they may read themselves, no more:
-- a message, a signature or an allocation tells the arm by being there.
DROP POLICY audit_event_reader ON audit_event;
CREATE POLICY audit_event_reader ON audit_event FOR SELECT USING (
    CASE WHEN site_id IS NULL THEN (SELECT edc_everywhere('audit.view') AND edc_everywhere('arm.see'))
         ELSE site_id = ANY ((SELECT edc_sites('audit.view'))::bigint[])
              AND (site_id = ANY ((SELECT edc_sites('arm.see'))::bigint[])
                   OR NOT reveals_arm AND action IN ('insert', 'update', 'delete')
                      AND table_name IN ('casebook_record', 'casebook_query', 'casebook_querymessage',
                                         'casebook_verification', 'visits_visit', 'visits_appointment'))
    END);
"""
BEFORE = """
DROP POLICY audit_event_reader ON audit_event;
CREATE POLICY audit_event_reader ON audit_event FOR SELECT USING (
    (site_id = ANY ((SELECT edc_sites('audit.view'))::bigint[])
     OR site_id IS NULL AND (SELECT edc_everywhere('audit.view')))
    AND (NOT reveals_arm OR site_id = ANY ((SELECT edc_sites('arm.see'))::bigint[])));
DROP FUNCTION edc_scattered_id();
"""


class Migration(migrations.Migration):

    dependencies = [("staff", "0003_signin"), ("audit", "0004_last_acts")]

    operations = [migrations.RunSQL(BLINDED, BEFORE)]
