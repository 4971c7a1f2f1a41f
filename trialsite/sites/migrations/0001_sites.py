
import trialsite.core.clock
from django.db import migrations, models

from trialsite.audit.operations import Audited, Frozen


class Migration(migrations.Migration):

    initial = True

    dependencies = [('audit', '0001_trail')]

    operations = [
        migrations.CreateModel(
            name='Site',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('created_at', models.DateTimeField(default=trialsite.core.clock.now, editable=False, verbose_name='created at')),
                ('code', models.SlugField(max_length=12, unique=True, verbose_name='code')),
                ('number', models.CharField(max_length=4, unique=True, verbose_name='number')),
                ('name_en', models.CharField(max_length=120, verbose_name='name (English)')),
                ('name_zh', models.CharField(max_length=120, verbose_name='name (Chinese)')),
                ('timezone', models.CharField(max_length=40, verbose_name='time zone')),
                ('phone', models.CharField(blank=True, max_length=40, verbose_name='call-back number')),
                ('target', models.PositiveIntegerField(verbose_name='target')),
                ('cap', models.PositiveIntegerField(blank=True, null=True, verbose_name='cap')),
                ('state', models.CharField(choices=[('planned', 'planned'), ('active', 'active'), ('paused', 'paused'), ('closed', 'closed')], default='planned', max_length=10, verbose_name='state')),
            ],
            options={
                'verbose_name': 'hospital',
                'verbose_name_plural': 'hospitals',
                'ordering': ['number'],
                'constraints': [models.CheckConstraint(condition=models.Q(('cap', None), ('cap__gte', models.F('target')), _connector='OR'), name='site_cap_not_below_target'), models.CheckConstraint(condition=models.Q(('state__in', ['planned', 'active', 'paused', 'closed'])), name='site_state_known')],
            },
        ),
        Audited('sites_site'),
        Frozen('sites_site', allow_update=('name_en', 'name_zh', 'timezone', 'phone', 'target', 'cap', 'state')),
    ]
