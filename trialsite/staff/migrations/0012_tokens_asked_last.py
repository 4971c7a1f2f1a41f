"""The hospitals of an actor: a token is asked only where one is there, and only for hospitals that the role reaches.

Every row policy of every statement asks this. Calling a function for each hospital of the trial, token or not, was more
than half of what it cost.
"""

from django.db import migrations

HELD = """
        SELECT s.id FROM sites_site s WHERE EXISTS (
            SELECT FROM staff_membership m
              JOIN staff_user u ON u.id = m.user_id AND u.is_active
              JOIN staff_rolecapability c ON c.role = m.role AND c.capability = wanted
             WHERE m.user_id = edc_actor() AND (m.site_id IS NULL OR m.site_id = s.id)
               AND m.starts_at <= statement_timestamp() AND (m.ends_at IS NULL OR m.ends_at > statement_timestamp()))
"""
SITES = """
CREATE OR REPLACE FUNCTION edc_sites(wanted text) RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = public, pg_temp AS $$
{body}
$$;
"""
LAST = f"""
    WITH held AS MATERIALIZED ({HELD})
    SELECT coalesce(array_agg(h.id), '{{}}') FROM held h
     WHERE coalesce(current_setting('edc.session', true), '') NOT LIKE 'token:%' OR edc_token_allows(wanted, h.id)
"""
ALWAYS = f"SELECT coalesce(array_agg(s.id), '{{}}') FROM ({HELD} AND edc_token_allows(wanted, s.id)) s"


class Migration(migrations.Migration):

    dependencies = [("staff", "0011_keys_of_persons")]

    operations = [migrations.RunSQL(SITES.format(body=LAST), SITES.format(body=ALWAYS))]
