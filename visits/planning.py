"""The statement that plans reminders: `rules.speaking`, said in SQL for all visits at once.

For each open visit and audience the rule whose moment came last is written; earlier ones that were never written
have collapsed into it. `key` makes each (visit, kind, version, recipient, channel) unique, so that planning again
writes nothing; the version is that of the window, or for rules of the appointment the count of bookings.

Three branches, one for each date that a rule can hang on, so that each reads its partial index between two days:
what is read are the visits whose dates are near, and those that are overdue, never the whole schedule. The days are
worked out in `rule`, because under a row policy only a bare comparison reaches an index: date arithmetic may fail
and so tell of rows that the policy hides. They are a day too wide, in UTC; the exact instant in the hospital's zone
decides after.
"""

from typing import Final

PLAN: Final = """
WITH rule AS MATERIALIZED (
    SELECT r.*, %(today)s::date - r.offset_days + 1 AS last,
           CASE WHEN r.relative_to = 'opens' THEN %(today)s::date - %(widest)s - 1
                WHEN r.offset_days > 0 THEN '-infinity' ELSE %(today)s::date - 1 END AS first,
           %(now)s + make_interval(days => 2 - r.offset_days) AS until
      FROM jsonb_to_recordset(%(rules)s::jsonb) AS r(
        rank int, protocol_version bigint, kind text, audience text, relative_to text, offset_days int, at time,
        channel text)
), near AS (
    SELECT r.*, v.id AS visit_id, v.participant_id, v.site_id, v.plan_version AS version, v.opens_on AS day,
           v.closes_on, v.appointment_at
      FROM rule r
      JOIN visits_visit v ON v.state = 'expected' AND v.opens_on BETWEEN r.first AND r.last
     WHERE r.relative_to = 'opens'
     UNION ALL
    SELECT r.*, v.id, v.participant_id, v.site_id, v.plan_version, v.closes_on, v.closes_on, v.appointment_at
      FROM rule r
      JOIN visits_visit v ON v.state IN ('expected', 'booked') AND v.closes_on BETWEEN r.first AND r.last
     WHERE r.relative_to = 'closes'
     UNION ALL
    SELECT r.*, v.id, v.participant_id, v.site_id, v.bookings, (v.appointment_at AT TIME ZONE s.timezone)::date,
           v.closes_on, v.appointment_at
      FROM rule r
      JOIN visits_visit v ON v.state = 'booked' AND v.appointment_at > %(now)s AND v.appointment_at < r.until
      JOIN sites_site s ON s.id = v.site_id
     WHERE r.relative_to = 'appointment'
), moment AS (
    SELECT DISTINCT ON (near.visit_id, near.audience) near.*, p.code, m.at AS due_at
      FROM near
      JOIN participants_participant p ON p.id = near.participant_id
       AND p.protocol_version_id = near.protocol_version AND p.status <> ALL (%(left)s)
      JOIN sites_site s ON s.id = near.site_id
     CROSS JOIN LATERAL (SELECT (near.day + near.offset_days + near.at) AT TIME ZONE s.timezone AS at) m
     WHERE m.at <= %(now)s
       AND (near.relative_to = 'appointment' OR near.relative_to = 'closes' AND near.offset_days > 0
            OR (%(now)s AT TIME ZONE s.timezone)::date <= near.closes_on)
     ORDER BY near.visit_id, near.audience, m.at DESC, near.rank DESC
), reader AS MATERIALIZED (
    SELECT DISTINCT m.role, m.site_id, 'user:' || u.id AS recipient
      FROM staff_membership m JOIN staff_user u ON u.id = m.user_id
     WHERE u.is_active AND u.email <> '' AND u.kind = 'person'
       AND m.starts_at <= statement_timestamp() AND (m.ends_at IS NULL OR m.ends_at > statement_timestamp())
)
INSERT INTO outbox_message (created_at, key, kind, recipient, channel, payload, subject_code, site_id, due_at,
                            state, attempts, answer)
SELECT %(now)s,
       concat_ws(':', 'visit', moment.visit_id, moment.kind, moment.version, told.recipient, moment.channel),
       'visit', told.recipient, moment.channel,
       jsonb_build_object('visit', moment.visit_id, 'rule', moment.kind, 'version', moment.version),
       moment.code, moment.site_id, moment.due_at, 'pending', 0, ''
  FROM moment
  JOIN LATERAL (
       SELECT reader.recipient FROM reader
        WHERE reader.role = moment.audience AND (reader.site_id IS NULL OR reader.site_id = moment.site_id)
       UNION
       SELECT 'participant:' || c.participant_id FROM participants_contact c
        WHERE moment.audience = 'participant' AND c.participant_id = moment.participant_id AND NOT c.opted_out
          AND c.contact_consent
  ) told ON true
 ORDER BY moment.visit_id
ON CONFLICT (key) DO NOTHING
"""
