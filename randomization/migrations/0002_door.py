"""The database's own door to the ledger: what bare SQL cannot get round, whoever runs it as the serving role.

An allocation is accepted only with the r of the entry that is its turn, and r stands nowhere but under SEQUENCE_KEY.
Counters move only together with an allocation, by one.
"""

from django.db import migrations

DOOR = r"""
-- A field of docs/randomization-format.md: its length as big-endian u32, then the bytes.
CREATE FUNCTION edc_field(value bytea) RETURNS bytea LANGUAGE sql IMMUTABLE
AS $$ SELECT int4send(octet_length(value)) || value $$;

CREATE FUNCTION edc_allocation_fits() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM FROM randomization_stratum s
      JOIN randomization_scheme c ON c.id = s.scheme_id
      JOIN randomization_sealedentry e ON e.stratum_id = s.id AND e.kind = 'main' AND e.index = NEW.index
      JOIN participants_participant p ON p.id = NEW.participant_id AND p.site_id = s.site_id
     WHERE s.id = NEW.stratum_id AND s.site_id = NEW.site_id AND s.next_index = NEW.index + 1
       AND c.state = 'active' AND c.position = NEW.position AND c.head = NEW.hash
       AND e.leaf = sha256('\x00'::bytea || edc_field(convert_to(s.key, 'UTF8')) || edc_field(int4send(NEW.index))
                           || edc_field(convert_to(NEW.arm, 'UTF8')) || edc_field(NEW.r));
    IF NOT FOUND THEN
        RAISE EXCEPTION 'this allocation is not the next entry of the sealed list'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'allocation_fits_the_list';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER randomization_allocation_fits BEFORE INSERT ON randomization_allocation
    FOR EACH ROW EXECUTE FUNCTION edc_allocation_fits();

CREATE FUNCTION edc_stratum_moved() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.next_index <> OLD.next_index + 1 OR NOT EXISTS (
        SELECT FROM randomization_allocation a WHERE a.stratum_id = NEW.id AND a.index = OLD.next_index)
    THEN
        RAISE EXCEPTION 'the list moves on by an allocation only'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'stratum_moves_by_allocation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER randomization_stratum_moved AFTER UPDATE ON randomization_stratum
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.next_index <> NEW.next_index)
    EXECUTE FUNCTION edc_stratum_moved();

CREATE FUNCTION edc_scheme_moved() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    IF NEW.position <> OLD.position + 1 OR NOT EXISTS (
        SELECT FROM randomization_allocation a
         WHERE a.position = NEW.position AND a.hash = NEW.head AND a.previous_hash = OLD.head)
    THEN
        RAISE EXCEPTION 'the ledger moves on by an allocation only'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'ledger_moves_by_allocation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER randomization_scheme_moved AFTER UPDATE ON randomization_scheme
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (OLD.position <> NEW.position OR OLD.head <> NEW.head)
    EXECUTE FUNCTION edc_scheme_moved();
"""

UNDO = """
DROP TRIGGER randomization_scheme_moved ON randomization_scheme;
DROP TRIGGER randomization_stratum_moved ON randomization_stratum;
DROP TRIGGER randomization_allocation_fits ON randomization_allocation;
DROP FUNCTION edc_scheme_moved(); DROP FUNCTION edc_stratum_moved(); DROP FUNCTION edc_allocation_fits();
DROP FUNCTION edc_field(bytea);
"""


class Migration(migrations.Migration):

    dependencies = [("randomization", "0001_allocation")]

    operations = [migrations.RunSQL(DOOR, UNDO)]
