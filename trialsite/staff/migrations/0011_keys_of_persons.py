"""Second factors and tokens are written by their person or by who keeps accounts, raw SQL included."""

from django.db import migrations

TRIGGERS = """
-- Arguments: the columns that name whose it is, or who answers for it. Without an actor the trail refuses.
CREATE FUNCTION edc_of_person() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    written jsonb := CASE WHEN TG_OP = 'INSERT' THEN to_jsonb(NEW) ELSE to_jsonb(OLD) END;
    name text;
BEGIN
    FOREACH name IN ARRAY TG_ARGV LOOP
        IF (written ->> name)::bigint = edc_actor() THEN
            RETURN coalesce(NEW, OLD);
        END IF;
    END LOOP;
    IF edc_actor() IS NOT NULL
       AND NOT edc_everywhere('user.manage') AND cardinality(edc_sites('user.manage')) = 0 THEN
        RAISE EXCEPTION '% is written by its person or who keeps accounts', TG_TABLE_NAME
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN coalesce(NEW, OLD);
END $$;

CREATE TRIGGER mfa_authenticator_of_person BEFORE INSERT OR UPDATE OR DELETE ON mfa_authenticator
    FOR EACH ROW EXECUTE FUNCTION edc_of_person('user_id');
CREATE TRIGGER staff_token_of_person BEFORE INSERT ON staff_token
    FOR EACH ROW EXECUTE FUNCTION edc_of_person('user_id');
CREATE TRIGGER staff_token_of_person_ended BEFORE UPDATE ON staff_token
    FOR EACH ROW EXECUTE FUNCTION edc_of_person('user_id', 'responsible_id');
"""
GONE = """
DROP TRIGGER mfa_authenticator_of_person ON mfa_authenticator;
DROP TRIGGER staff_token_of_person ON staff_token;
DROP TRIGGER staff_token_of_person_ended ON staff_token;
DROP FUNCTION edc_of_person();
"""


class Migration(migrations.Migration):

    dependencies = [("staff", "0010_hospitals_and_accounts"), ("mfa", "0003_authenticator_type_uniq")]

    operations = [migrations.RunSQL(TRIGGERS, GONE)]
