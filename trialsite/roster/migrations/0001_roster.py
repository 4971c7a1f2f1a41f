"""Training, delegation log and reviews of access: trailed, scoped by hospital, append-only."""

import django.db.models.deletion
import trialsite.core.clock
from django.conf import settings
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen
from trialsite.staff.operations import SitePolicy


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('audit', '0004_last_acts'),
        ('sites', '0002_activations'),
        ('staff', '0002_signatures_fall'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='AccessReview',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('reviewed_at', models.DateTimeField(verbose_name='reviewed at')),
                ('report', models.JSONField(verbose_name='report')),
                ('findings', models.TextField(verbose_name='findings')),
                ('reviewer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='reviewer')),
                ('signature', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='staff.signature')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='hospital')),
            ],
            options={
                'verbose_name': 'review of access',
                'verbose_name_plural': 'reviews of access',
                'ordering': ['-id'],
            },
        ),
        migrations.CreateModel(
            name='Delegation',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('task', models.CharField(choices=[('consent', 'informed consent'), ('eligibility', 'judging eligibility'), ('surgery', 'surgery'), ('randomization', 'randomization'), ('radiotherapy', 'radiotherapy'), ('assessment', 'assessing outcomes'), ('safety', 'judging adverse events'), ('data', 'entering data'), ('contact', 'contact with participants')], max_length=20, verbose_name='task')),
                ('starts_at', models.DateTimeField(verbose_name='from')),
                ('ends_at', models.DateTimeField(blank=True, null=True, verbose_name='until')),
                ('authorised_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='authorised by')),
                ('signature', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='staff.signature')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='hospital')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='delegations', to=settings.AUTH_USER_MODEL, verbose_name='person')),
            ],
            options={
                'verbose_name': 'delegated task',
                'verbose_name_plural': 'delegation log',
                'ordering': ['site_id', 'user_id', 'task', 'id'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('ends_at', None)), fields=('site', 'user', 'task'), name='delegation_open_once'), models.CheckConstraint(condition=models.Q(('ends_at', None), ('ends_at__gte', models.F('starts_at')), _connector='OR'), name='delegation_ends_after_start')],
            },
        ),
        migrations.CreateModel(
            name='Training',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('topic', models.CharField(max_length=120, verbose_name='training')),
                ('completed_on', models.DateField(verbose_name='completed on')),
                ('valid_until', models.DateField(blank=True, null=True, verbose_name='valid until')),
                ('evidence', models.CharField(max_length=200, verbose_name='where the certificate is kept')),
                ('recorded_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='recorded by')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='hospital')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='training', to=settings.AUTH_USER_MODEL, verbose_name='person')),
            ],
            options={
                'verbose_name': 'training',
                'verbose_name_plural': 'training',
                'ordering': ['-completed_on', '-id'],
                'constraints': [models.CheckConstraint(condition=models.Q(('valid_until', None), ('valid_until__gte', models.F('completed_on')), _connector='OR'), name='training_valid_after_completion')],
            },
        ),
        Audited("roster_training"),
        Frozen("roster_training"),
        SitePolicy("roster_training", sees="roster.view"),
        Audited("roster_delegation"),
        Frozen("roster_delegation", allow_update=("ends_at",)),
        SitePolicy("roster_delegation", sees="roster.view"),
        Audited("roster_accessreview"),
        Frozen("roster_accessreview"),
        SitePolicy("roster_accessreview", sees="roster.view"),
    ]
