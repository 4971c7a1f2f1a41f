"""A feed shows all that its person may see, and stays: no token makes one."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [("visits", "0004_scattered_more"), ("staff", "0008_keys_by_hand")]

    operations = [
        migrations.RunSQL(
            "CREATE TRIGGER visits_feed_by_hand BEFORE INSERT ON visits_feed"
            " FOR EACH ROW EXECUTE FUNCTION edc_key_by_hand()",
            "DROP TRIGGER visits_feed_by_hand ON visits_feed",
        )
    ]
