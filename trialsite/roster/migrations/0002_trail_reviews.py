"""Reviews of the trail: trailed, scoped by hospital, append-only."""

import django.db.models.deletion
import trialsite.core.clock
from django.conf import settings
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen
from trialsite.staff.operations import SitePolicy


class Migration(migrations.Migration):

    dependencies = [
        ('roster', '0001_roster'),
        ('sites', '0003_limit'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='TrailReview',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('reviewed_at', models.DateTimeField(verbose_name='reviewed at')),
                ('since', models.DateField(verbose_name='from')),
                ('until', models.DateField(verbose_name='to')),
                ('scope', models.CharField(max_length=300, verbose_name='what was looked at')),
                ('findings', models.TextField(verbose_name='findings')),
                ('head', models.CharField(max_length=64, verbose_name='head of the trail')),
                ('reviewer', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='reviewer')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='hospital')),
            ],
            options={
                'verbose_name': 'review of the trail',
                'verbose_name_plural': 'reviews of the trail',
                'ordering': ['-id'],
                'constraints': [models.CheckConstraint(condition=models.Q(('until__gte', models.F('since'))), name='trail_review_ends_after_start')],
            },
        ),
        Audited("roster_trailreview"),
        Frozen("roster_trailreview"),
        SitePolicy("roster_trailreview", sees="audit.view"),
    ]
