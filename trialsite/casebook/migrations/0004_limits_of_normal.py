"""The register of limits of normal: trailed, frozen but for its withdrawal, scoped by hospital."""

import django.db.models.deletion
import trialsite.core.clock
from django.conf import settings
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen
from trialsite.staff.operations import SitePolicy


class Migration(migrations.Migration):

    dependencies = [
        ('casebook', '0003_signed_and_reasoned'),
        ('sites', '0001_sites'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='NormalLimit',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('form', models.CharField(max_length=40, verbose_name='form')),
                ('item', models.CharField(max_length=40, verbose_name='item')),
                ('sex', models.CharField(blank=True, max_length=40, verbose_name='sex')),
                ('value', models.DecimalField(decimal_places=6, max_digits=16, verbose_name='upper limit of normal')),
                ('unit', models.CharField(blank=True, max_length=40, verbose_name='unit')),
                ('valid_from', models.DateField(verbose_name='valid from')),
                ('valid_until', models.DateField(blank=True, null=True, verbose_name='valid until')),
                ('source', models.CharField(max_length=200, verbose_name='source')),
                ('withdrawn_at', models.DateTimeField(blank=True, null=True, verbose_name='withdrawn at')),
                ('entered_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='entered by')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='hospital')),
            ],
            options={
                'verbose_name': 'limit of normal',
                'verbose_name_plural': 'limits of normal',
                'ordering': ['site', 'form', 'item', 'sex', '-valid_from', '-id'],
                'constraints': [models.UniqueConstraint(condition=models.Q(('withdrawn_at', None)), fields=('site', 'form', 'item', 'sex', 'valid_from'), name='normal_limit_once_per_day'), models.CheckConstraint(condition=models.Q(('value__gt', 0)), name='normal_limit_positive'), models.CheckConstraint(condition=models.Q(('valid_until', None), ('valid_until__gte', models.F('valid_from')), _connector='OR'), name='normal_limit_ends_after_start')],
            },
        ),
        Audited("casebook_normallimit"),
        Frozen("casebook_normallimit", allow_update=("withdrawn_at",)),
        SitePolicy("casebook_normallimit"),
    ]
