"""What one hospital changes of its own row, and who writes accounts: raw SQL is asked what the services ask."""

from django.db import migrations

FUNCTIONS = """
-- Arguments: the right, and the column that names the hospital. Without an actor the trail refuses.
CREATE FUNCTION edc_at_hospital() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF edc_actor() IS NOT NULL
       AND NOT coalesce((to_jsonb(OLD) ->> TG_ARGV[1])::bigint = ANY (edc_sites(TG_ARGV[0])), false) THEN
        RAISE EXCEPTION '% is changed by who holds % at its hospital', TG_TABLE_NAME, TG_ARGV[0]
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

-- Accounts are made and changed by who keeps accounts, one's own by oneself; a passphrase by its person alone.
-- The first account of all makes itself.
CREATE FUNCTION edc_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.id IS NOT DISTINCT FROM edc_actor() THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.password IS DISTINCT FROM NEW.password THEN
        RAISE EXCEPTION 'a passphrase is set by its person' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF NOT edc_everywhere('user.manage') AND cardinality(edc_sites('user.manage')) = 0 THEN
        RAISE EXCEPTION 'accounts are written by who keeps accounts' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER staff_user_account BEFORE INSERT OR UPDATE ON staff_user
    FOR EACH ROW EXECUTE FUNCTION edc_account();
"""
GONE = """
DROP TRIGGER staff_user_account ON staff_user;
DROP FUNCTION edc_account();
DROP FUNCTION edc_at_hospital();
"""


class Migration(migrations.Migration):

    dependencies = [("staff", "0009_trial_wide")]

    operations = [migrations.RunSQL(FUNCTIONS, GONE)]
