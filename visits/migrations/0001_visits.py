"""Visits: trailed, scoped by hospital, hidden where they reveal the arm."""

import django.db.models.deletion
import trialsite.core.clock
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen
from trialsite.staff.operations import SitePolicy


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('participants', '0001_participants'),
        ('sites', '0001_sites'),
    ]

    operations = [
        migrations.CreateModel(
            name='Visit',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('code', models.CharField(max_length=40, verbose_name='visit')),
                ('kind', models.CharField(max_length=20, verbose_name='kind')),
                ('anchor_on', models.DateField(verbose_name='anchor')),
                ('target_on', models.DateField(verbose_name='target')),
                ('opens_on', models.DateField(verbose_name='opens')),
                ('closes_on', models.DateField(verbose_name='closes')),
                ('state', models.CharField(choices=[('expected', 'expected'), ('booked', 'booked'), ('attended', 'attended'), ('missed', 'missed'), ('not_expected', 'not expected')], default='expected', max_length=20, verbose_name='state')),
                ('plan_version', models.PositiveIntegerField(default=1)),
                ('bookings', models.PositiveIntegerField(default=0)),
                ('appointment_at', models.DateTimeField(blank=True, null=True, verbose_name='appointment')),
                ('attended_on', models.DateField(blank=True, null=True, verbose_name='attended on')),
                ('in_window', models.BooleanField(null=True, verbose_name='in window')),
                ('reveals_arm', models.BooleanField(default=False)),
                ('participant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='visits', to='participants.participant', verbose_name='participant')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='hospital')),
            ],
            options={
                'verbose_name': 'visit',
                'verbose_name_plural': 'visits',
                'ordering': ['participant', 'target_on', 'code'],
                'indexes': [models.Index(condition=models.Q(('state__in', ('expected', 'booked'))), fields=['opens_on'], name='visit_open_by_opening'), models.Index(condition=models.Q(('state__in', ('expected', 'booked'))), fields=['closes_on'], name='visit_open_by_closing'), models.Index(condition=models.Q(('state', 'booked')), fields=['appointment_at'], name='visit_booked_by_appointment')],
                'constraints': [models.UniqueConstraint(fields=('participant', 'code'), name='visit_once'), models.CheckConstraint(condition=models.Q(('state__in', ['attended', 'booked', 'expected', 'missed', 'not_expected'])), name='visit_state_known'), models.CheckConstraint(condition=models.Q(('closes_on__gte', models.F('target_on')), ('opens_on__lte', models.F('target_on'))), name='visit_window_in_order'), models.CheckConstraint(condition=models.Q(models.Q(('attended_on__isnull', False), ('state', 'attended')), models.Q(models.Q(('state', 'attended'), _negated=True), ('attended_on', None)), _connector='OR'), name='visit_attended_with_date'), models.CheckConstraint(condition=models.Q(models.Q(('state', 'booked'), _negated=True), ('appointment_at__isnull', False), _connector='OR'), name='visit_booked_with_appointment')],
            },
        ),
        Audited("visits_visit"),
        Frozen(
            "visits_visit",
            allow_update=(
                "anchor_on",
                "target_on",
                "opens_on",
                "closes_on",
                "state",
                "plan_version",
                "bookings",
                "appointment_at",
                "attended_on",
                "in_window",
            ),
        ),
        SitePolicy("visits_visit", hides_arm=True),
    ]
