"""Who may write memberships, and which roles one person may not hold together: asked of every row, raw SQL included."""

from django.db import migrations

APART = """
-- Read by everybody, before anyone is known too: roles decide what else may be read. Written by whoever keeps the
-- accounts of that hospital, and never for oneself.
ALTER TABLE staff_membership ENABLE ROW LEVEL SECURITY;
CREATE POLICY staff_membership_read ON staff_membership FOR SELECT USING (true);
CREATE POLICY staff_membership_insert ON staff_membership FOR INSERT WITH CHECK (
    user_id <> edc_actor()
    AND CASE WHEN site_id IS NULL THEN (SELECT edc_everywhere('user.manage'))
             ELSE site_id = ANY ((SELECT edc_sites('user.manage'))::bigint[]) END);
CREATE POLICY staff_membership_update ON staff_membership FOR UPDATE USING (
    CASE WHEN site_id IS NULL THEN (SELECT edc_everywhere('user.manage'))
         ELSE site_id = ANY ((SELECT edc_sites('user.manage'))::bigint[]) END);

-- An assessor of outcomes holds no role that sees arms, at hospitals that overlap and at times that do. An end that
-- comes earlier than before is never refused.
CREATE FUNCTION edc_roles_apart() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.ends_at IS NOT NULL AND (OLD.ends_at IS NULL OR NEW.ends_at <= OLD.ends_at) THEN
        RETURN NEW;
    END IF;
    -- Two rows for one person wait for each other.
    PERFORM 1 FROM staff_user WHERE id = NEW.user_id FOR UPDATE;
    IF EXISTS (
        SELECT FROM staff_membership m
          JOIN staff_rolecapability c ON c.capability = 'arm.see'
           AND (m.role = 'assessor' AND c.role = NEW.role OR NEW.role = 'assessor' AND c.role = m.role)
         WHERE m.user_id = NEW.user_id AND m.id IS DISTINCT FROM NEW.id
           AND (m.site_id IS NULL OR NEW.site_id IS NULL OR m.site_id = NEW.site_id)
           AND tstzrange(m.starts_at, m.ends_at) && tstzrange(NEW.starts_at, NEW.ends_at)) THEN
        RAISE EXCEPTION 'an assessor of outcomes may hold no role that sees arms' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER staff_membership_apart BEFORE INSERT OR UPDATE OF ends_at ON staff_membership
    FOR EACH ROW EXECUTE FUNCTION edc_roles_apart();
"""
BEFORE = """
DROP TRIGGER staff_membership_apart ON staff_membership;
DROP FUNCTION edc_roles_apart();
DROP POLICY staff_membership_read ON staff_membership;
DROP POLICY staff_membership_insert ON staff_membership;
DROP POLICY staff_membership_update ON staff_membership;
ALTER TABLE staff_membership DISABLE ROW LEVEL SECURITY;
"""


class Migration(migrations.Migration):

    dependencies = [("staff", "0005_signatures_hide")]

    operations = [migrations.RunSQL(APART, BEFORE)]
