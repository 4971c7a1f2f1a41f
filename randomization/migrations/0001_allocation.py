"""The sealed list and the ledger: frozen; arms hidden by policy from whoever may not see them."""

import django.db.models.deletion
import django.db.models.expressions
import trialsite.core.clock
from django.conf import settings
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen
from trialsite.staff.operations import SitePolicy


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('participants', '0001_participants'),
        ('sites', '0001_sites'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Scheme',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('trial', models.CharField(max_length=40, unique=True, verbose_name='trial')),
                ('environment', models.CharField(max_length=20, verbose_name='environment')),
                ('specification_hash', models.CharField(max_length=64, verbose_name='hash of the specification')),
                ('commitments', models.JSONField(verbose_name='commitments')),
                ('arms', models.JSONField(verbose_name='arms')),
                ('total_cap', models.PositiveIntegerField(verbose_name='total cap')),
                ('state', models.CharField(choices=[('active', 'active'), ('paused', 'paused'), ('closed', 'closed')], default='active', max_length=10, verbose_name='state')),
                ('position', models.PositiveIntegerField(default=0, verbose_name='allocations')),
                ('head', models.CharField(max_length=64, verbose_name='ledger head')),
            ],
            options={
                'verbose_name': 'randomization',
                'verbose_name_plural': 'randomization',
                'constraints': [models.CheckConstraint(condition=models.Q(('position__lte', models.F('total_cap'))), name='scheme_within_cap'), models.CheckConstraint(condition=models.Q(('state__in', ['active', 'paused', 'closed'])), name='scheme_state_known')],
            },
        ),
        migrations.CreateModel(
            name='Stratum',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('key', models.CharField(max_length=80)),
                ('length', models.PositiveIntegerField()),
                ('next_index', models.PositiveIntegerField(default=1)),
                ('root', models.CharField(max_length=64)),
                ('scheme', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='strata', to='randomization.scheme')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('scheme', 'key'), name='stratum_once'), models.CheckConstraint(condition=models.Q(('next_index__gte', 1), ('next_index__lte', django.db.models.expressions.CombinedExpression(models.F('length'), '+', models.Value(1)))), name='stratum_within_list')],
            },
        ),
        migrations.CreateModel(
            name='SealedEntry',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('kind', models.CharField(default='main', max_length=10)),
                ('index', models.PositiveIntegerField()),
                ('ciphertext', models.BinaryField()),
                ('leaf', models.BinaryField()),
                ('stratum', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='entries', to='randomization.stratum')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('kind', 'stratum', 'index'), name='entry_once')],
            },
        ),
        migrations.CreateModel(
            name='Allocation',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('index', models.PositiveIntegerField()),
                ('arm', models.CharField(max_length=40, verbose_name='arm')),
                ('r', models.BinaryField()),
                ('path', models.JSONField()),
                ('strata_hash', models.CharField(max_length=64)),
                ('eligibility_hash', models.CharField(max_length=64)),
                ('idempotency_key', models.CharField(max_length=100, unique=True)),
                ('position', models.PositiveIntegerField(unique=True, verbose_name='position')),
                ('allocated_at', models.DateTimeField(verbose_name='time')),
                ('previous_hash', models.CharField(max_length=64, unique=True)),
                ('hash', models.CharField(max_length=64, unique=True, verbose_name='hash')),
                ('reveals_arm', models.BooleanField(default=True)),
                ('allocated_by', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='by')),
                ('participant', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='participants.participant', verbose_name='participant')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='sites.site', verbose_name='hospital')),
                ('stratum', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='randomization.stratum')),
            ],
            options={
                'verbose_name': 'allocation',
                'verbose_name_plural': 'allocations',
                'ordering': ['position'],
                'constraints': [models.UniqueConstraint(fields=('stratum', 'index'), name='allocation_once_per_entry'), models.CheckConstraint(condition=models.Q(('reveals_arm', True)), name='allocation_always_reveals')],
            },
        ),
        Audited("randomization_scheme"),
        Frozen("randomization_scheme", allow_update=("state", "position", "head")),
        Audited("randomization_stratum"),
        Frozen("randomization_stratum", allow_update=("next_index",)),
        Audited("randomization_sealedentry", secret=("ciphertext", "leaf")),
        Frozen("randomization_sealedentry"),
        Audited("randomization_allocation", secret=("r",)),
        Frozen("randomization_allocation"),
        SitePolicy("randomization_allocation", hides_arm=True),
    ]
