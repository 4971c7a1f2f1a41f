"""Keys are made by whoever is signed in, never with a token; a person answers for each token."""

from django.db import migrations

MADE = """
CREATE FUNCTION edc_key_by_hand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('edc.session', true) LIKE 'token:%' THEN
        RAISE EXCEPTION 'a token makes no further key' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION edc_token_answered_for() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM staff_user u WHERE u.id = NEW.responsible_id AND u.kind = 'person') THEN
        RAISE EXCEPTION 'no person answers for this token' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER staff_token_by_hand BEFORE INSERT ON staff_token
    FOR EACH ROW EXECUTE FUNCTION edc_key_by_hand();
CREATE TRIGGER staff_token_answered_for BEFORE INSERT ON staff_token
    FOR EACH ROW EXECUTE FUNCTION edc_token_answered_for();
"""
UNDONE = """
DROP TRIGGER staff_token_by_hand ON staff_token;
DROP TRIGGER staff_token_answered_for ON staff_token;
DROP FUNCTION edc_token_answered_for();
DROP FUNCTION edc_key_by_hand();
"""


class Migration(migrations.Migration):

    dependencies = [("staff", "0007_scattered_signatures")]

    operations = [migrations.RunSQL(MADE, UNDONE)]
