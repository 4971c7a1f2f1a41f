"""Appointments, former windows and unscheduled visits; the official calendar, clinic days, feeds."""

import datetime
import django.db.models.deletion
import trialsite.core.clock
from django.conf import settings
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen
from trialsite.staff.operations import SitePolicy


class Migration(migrations.Migration):

    dependencies = [
        ('participants', '0001_participants'),
        ('sites', '0002_activations'),
        ('visits', '0001_visits'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Appointment',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('number', models.PositiveIntegerField(verbose_name='number')),
                ('at', models.DateTimeField(blank=True, null=True, verbose_name='appointment')),
                ('place', models.CharField(blank=True, max_length=120, verbose_name='place')),
                ('reason', models.CharField(blank=True, max_length=300, verbose_name='reason')),
                ('reveals_arm', models.BooleanField(default=False)),
                ('made_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='made by')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='hospital')),
                ('staff', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='with')),
                ('participant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='participants.participant', verbose_name='participant')),
                ('visit', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='appointments', to='visits.visit', verbose_name='visit')),
            ],
            options={
                'verbose_name': 'appointment',
                'verbose_name_plural': 'appointments',
                'ordering': ['visit', 'number'],
                'constraints': [models.UniqueConstraint(fields=('visit', 'number'), name='appointment_once')],
            },
        ),
        migrations.CreateModel(
            name='ClinicDay',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('weekday', models.PositiveSmallIntegerField(verbose_name='weekday')),
                ('starts_at', models.TimeField(default=datetime.time(9, 0), verbose_name='from')),
                ('capacity', models.PositiveSmallIntegerField(blank=True, null=True, verbose_name='appointments at most')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='clinic_days', to='sites.site', verbose_name='hospital')),
            ],
            options={
                'verbose_name': 'clinic day',
                'verbose_name_plural': 'clinic days',
                'ordering': ['site', 'weekday'],
                'constraints': [models.UniqueConstraint(fields=('site', 'weekday'), name='clinic_day_once'), models.CheckConstraint(condition=models.Q(('weekday__lte', 6)), name='clinic_day_of_the_week'), models.CheckConstraint(condition=models.Q(('capacity', None), ('capacity__gte', 1), _connector='OR'), name='clinic_day_has_room')],
            },
        ),
        migrations.CreateModel(
            name='Feed',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('name', models.CharField(max_length=60, verbose_name='name')),
                ('digest', models.CharField(editable=False, max_length=64, unique=True)),
                ('revoked_at', models.DateTimeField(blank=True, null=True, verbose_name='revoked at')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='user')),
            ],
            options={
                'verbose_name': 'calendar feed',
                'verbose_name_plural': 'calendar feeds',
                'ordering': ['-pk'],
            },
        ),
        migrations.CreateModel(
            name='FormerWindow',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('version', models.PositiveIntegerField(verbose_name='version')),
                ('anchor_on', models.DateField(verbose_name='anchor')),
                ('target_on', models.DateField(verbose_name='target')),
                ('opens_on', models.DateField(verbose_name='opens')),
                ('closes_on', models.DateField(verbose_name='closes')),
                ('reason', models.CharField(max_length=300, verbose_name='why it moved')),
                ('reveals_arm', models.BooleanField(default=False)),
                ('moved_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='moved by')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='hospital')),
                ('participant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='participants.participant', verbose_name='participant')),
                ('visit', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='former_windows', to='visits.visit', verbose_name='visit')),
            ],
            options={
                'verbose_name': 'former window',
                'verbose_name_plural': 'former windows',
                'ordering': ['visit', 'version'],
                'constraints': [models.UniqueConstraint(fields=('visit', 'version'), name='former_window_once')],
            },
        ),
        migrations.CreateModel(
            name='Holiday',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('day', models.DateField(unique=True, verbose_name='day')),
                ('works', models.BooleanField(verbose_name='is worked')),
                ('name', models.CharField(max_length=80, verbose_name='name')),
            ],
            options={
                'verbose_name': 'day of the official calendar',
                'verbose_name_plural': 'days of the official calendar',
                'ordering': ['-day'],
            },
        ),
        migrations.CreateModel(
            name='HolidayYear',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('year', models.PositiveSmallIntegerField(unique=True, verbose_name='year')),
                ('source', models.CharField(max_length=200, verbose_name='source')),
            ],
            options={
                'verbose_name': 'year of the official calendar',
                'verbose_name_plural': 'years of the official calendar',
                'ordering': ['-year'],
            },
        ),
        migrations.RemoveConstraint(
            model_name='visit',
            name='visit_once',
        ),
        migrations.AddField(
            model_name='visit',
            name='anchor',
            field=models.CharField(db_default='surgery', default='surgery', max_length=50, verbose_name='counts from'),
        ),
        migrations.AddField(
            model_name='visit',
            name='place',
            field=models.CharField(blank=True, db_default='', max_length=120, verbose_name='place'),
        ),
        migrations.AddField(
            model_name='visit',
            name='reason',
            field=models.CharField(blank=True, db_default='', max_length=300, verbose_name='reason'),
        ),
        migrations.AddField(
            model_name='visit',
            name='repeat',
            field=models.PositiveSmallIntegerField(db_default=1, default=1, verbose_name='number'),
        ),
        migrations.AddField(
            model_name='visit',
            name='staff',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='with'),
        ),
        migrations.AlterField(
            model_name='visit',
            name='anchor_on',
            field=models.DateField(blank=True, null=True, verbose_name='anchor'),
        ),
        migrations.AddConstraint(
            model_name='visit',
            constraint=models.UniqueConstraint(fields=('participant', 'code', 'repeat'), name='visit_once'),
        ),
        migrations.AddConstraint(
            model_name='visit',
            constraint=models.CheckConstraint(condition=models.Q(('kind', 'unscheduled'), ('anchor_on__isnull', False), _connector='OR'), name='visit_planned_from_an_anchor'),
        ),
        AddConstraintNotValid(
            model_name='visit',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'missed'), _negated=True), models.Q(('reason', ''), _negated=True), _connector='OR'), name='visit_missed_with_reason'),
        ),
        Audited("visits_appointment"),
        Frozen("visits_appointment"),
        SitePolicy("visits_appointment", sees="visit.view", hides_arm=True),
        Audited("visits_formerwindow"),
        Frozen("visits_formerwindow"),
        SitePolicy("visits_formerwindow", sees="visit.view", hides_arm=True),
        Audited("visits_clinicday"),
        SitePolicy("visits_clinicday", sees="visit.view"),
        Audited("visits_holiday"),
        Audited("visits_holidayyear"),
        Audited("visits_feed", secret=["digest"]),
        Frozen("visits_feed", allow_update=("revoked_at",)),
        migrations.RunSQL("DROP TRIGGER visits_visit_frozen ON visits_visit;"),
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
                "place",
                "staff_id",
                "attended_on",
                "in_window",
                "reason",
            ),
        ),
    ]
