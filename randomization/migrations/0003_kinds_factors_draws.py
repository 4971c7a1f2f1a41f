"""Envelopes for days when the system is down, stratification factors, and lists that commit draws instead of arms."""

import django.db.models.expressions
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen

DOOR = r"""
CREATE OR REPLACE FUNCTION edc_allocation_fits() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
DECLARE
    place bytea := edc_field(int4send(NEW.index));
    hidden bytea := edc_field(NEW.r);
BEGIN
    -- An envelope was opened on paper, whatever the state is now. A leaf without an arm commits a draw.
    PERFORM FROM randomization_stratum s
      JOIN randomization_scheme c ON c.id = s.scheme_id
      JOIN randomization_sealedentry e ON e.stratum_id = s.id AND e.kind = NEW.kind AND e.index = NEW.index
      JOIN participants_participant p ON p.id = NEW.participant_id AND p.site_id = s.site_id
     WHERE s.id = NEW.stratum_id AND s.site_id = NEW.site_id
       AND NEW.index + 1 = CASE NEW.kind WHEN 'main' THEN s.next_index ELSE s.next_emergency END
       AND (c.state = 'active' OR NEW.kind = 'emergency')
       AND c.position = NEW.position AND c.head = NEW.hash AND c.arms ? NEW.arm
       AND e.leaf IN (
           sha256('\x00'::bytea || edc_field(convert_to(s.key, 'UTF8')) || place
                  || edc_field(convert_to(NEW.arm, 'UTF8')) || hidden),
           sha256('\x00'::bytea || edc_field(convert_to(s.key, 'UTF8')) || place || edc_field(''::bytea) || hidden));
    IF NOT FOUND THEN
        RAISE EXCEPTION 'this allocation is not the next entry of the sealed list'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'allocation_fits_the_list';
    END IF;
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION edc_stratum_moved() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp AS $$
BEGIN
    IF (NEW.next_index - OLD.next_index) + (NEW.next_emergency - OLD.next_emergency) <> 1
       OR NEW.next_index < OLD.next_index OR NEW.next_emergency < OLD.next_emergency OR NOT EXISTS (
        SELECT FROM randomization_allocation a WHERE a.stratum_id = NEW.id
           AND a.kind = CASE WHEN NEW.next_index > OLD.next_index THEN 'main' ELSE 'emergency' END
           AND a.index = CASE WHEN NEW.next_index > OLD.next_index THEN OLD.next_index ELSE OLD.next_emergency END)
    THEN
        RAISE EXCEPTION 'the list moves on by an allocation only'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'stratum_moves_by_allocation';
    END IF;
    RETURN NULL;
END $$;
DROP TRIGGER randomization_stratum_moved ON randomization_stratum;
CREATE CONSTRAINT TRIGGER randomization_stratum_moved AFTER UPDATE ON randomization_stratum
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    WHEN (OLD.next_index <> NEW.next_index OR OLD.next_emergency <> NEW.next_emergency)
    EXECUTE FUNCTION edc_stratum_moved();

-- Renewed below: the envelopes' counter moves too, and the trail never holds the sealed rule.
DROP TRIGGER randomization_stratum_frozen ON randomization_stratum;
DROP TRIGGER randomization_scheme_trail ON randomization_scheme;
DROP TRIGGER randomization_scheme_no_truncate ON randomization_scheme;
"""


class Migration(migrations.Migration):

    dependencies = [("randomization", "0002_door")]

    operations = [
        migrations.RemoveConstraint(
            model_name='allocation',
            name='allocation_once_per_entry',
        ),
        migrations.AddField(
            model_name='allocation',
            name='kind',
            field=models.CharField(choices=[('main', 'list'), ('emergency', 'envelope')], default='main', max_length=10, verbose_name='list'),
        ),
        migrations.AddField(
            model_name='allocation',
            name='strata',
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name='scheme',
            name='factors',
            field=models.JSONField(default=list, verbose_name='factors'),
        ),
        migrations.AddField(
            model_name='scheme',
            name='rule',
            field=models.BinaryField(default=b''),
        ),
        migrations.AddField(
            model_name='stratum',
            name='emergency_length',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='stratum',
            name='emergency_root',
            field=models.CharField(blank=True, max_length=64),
        ),
        migrations.AddField(
            model_name='stratum',
            name='next_emergency',
            field=models.PositiveIntegerField(default=1),
        ),
        migrations.AlterField(
            model_name='sealedentry',
            name='kind',
            field=models.CharField(choices=[('main', 'list'), ('emergency', 'envelope')], default='main', max_length=10),
        ),
        migrations.AlterField(
            model_name='stratum',
            name='key',
            field=models.CharField(max_length=400),
        ),
        migrations.AddConstraint(
            model_name='allocation',
            constraint=models.UniqueConstraint(fields=('kind', 'stratum', 'index'), name='allocation_once_per_entry'),
        ),
        migrations.AddConstraint(
            model_name='allocation',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['main', 'emergency'])), name='allocation_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='sealedentry',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['main', 'emergency'])), name='entry_kind_known'),
        ),
        migrations.AddConstraint(
            model_name='stratum',
            constraint=models.CheckConstraint(condition=models.Q(('next_emergency__gte', 1), ('next_emergency__lte', django.db.models.expressions.CombinedExpression(models.F('emergency_length'), '+', models.Value(1)))), name='stratum_within_envelopes'),
        ),
        migrations.RunSQL(DOOR),
        Frozen("randomization_stratum", allow_update=("next_index", "next_emergency")),
        Audited("randomization_scheme", secret=("rule",)),
    ]
