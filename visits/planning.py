"""The statement that plans reminders.

For each open visit and audience the rule whose moment came last is due; earlier ones that were never written have
collapsed into it. `key` makes each (visit, kind, plan version, recipient, channel) unique, so that planning again
writes nothing. The partial indexes on open visits keep the cost to visits whose dates have come near.
"""

from typing import Final

PLAN: Final = """
WITH rule AS (
    SELECT * FROM jsonb_to_recordset(%(rules)s::jsonb) AS r(
        protocol_version bigint, kind text, audience text, relative_to text, offset_days int, at time, channel text)
), moment AS (
    SELECT DISTINCT ON (v.id, r.audience)
           v.id AS visit_id, v.plan_version, v.site_id, v.participant_id, p.code, r.kind, r.audience, r.channel,
           m.at AS due_at
      FROM rule r
      JOIN participants_participant p ON p.protocol_version_id = r.protocol_version
      JOIN visits_visit v ON v.participant_id = p.id AND v.state IN ('expected', 'booked')
      JOIN sites_site s ON s.id = v.site_id
     CROSS JOIN LATERAL (
           SELECT CASE r.relative_to
                       WHEN 'opens' THEN v.opens_on
                       WHEN 'closes' THEN v.closes_on
                       ELSE (v.appointment_at AT TIME ZONE s.timezone)::date END AS day) d
     CROSS JOIN LATERAL (SELECT (d.day + r.offset_days + r.at) AT TIME ZONE s.timezone AS at) m
     WHERE m.at <= %(now)s
       AND CASE r.relative_to
                WHEN 'opens' THEN v.state = 'expected' AND (%(now)s AT TIME ZONE s.timezone)::date <= v.closes_on
                                  AND v.opens_on <= (%(now)s)::date + 32 - r.offset_days
                WHEN 'closes' THEN v.closes_on <= (%(now)s)::date + 1 - r.offset_days
                ELSE v.state = 'booked' AND %(now)s < v.appointment_at END
     ORDER BY v.id, r.audience, m.at DESC
), reader AS (
    SELECT DISTINCT m.role, m.site_id, 'user:' || u.id AS recipient
      FROM staff_membership m JOIN staff_user u ON u.id = m.user_id
     WHERE u.is_active AND u.email <> '' AND u.kind = 'person'
       AND m.starts_at <= %(now)s AND (m.ends_at IS NULL OR m.ends_at > %(now)s)
)
INSERT INTO outbox_message (created_at, key, kind, recipient, channel, payload, subject_code, site_id, due_at,
                            state, attempts, answer)
SELECT %(now)s,
       concat_ws(':', 'visit', moment.visit_id, moment.kind, moment.plan_version, told.recipient, moment.channel),
       'visit', told.recipient, moment.channel,
       jsonb_build_object('visit', moment.visit_id, 'rule', moment.kind, 'plan_version', moment.plan_version),
       moment.code, moment.site_id, moment.due_at, 'pending', 0, ''
  FROM moment
  JOIN LATERAL (
       SELECT reader.recipient FROM reader
        WHERE reader.role = moment.audience AND (reader.site_id IS NULL OR reader.site_id = moment.site_id)
       UNION
       SELECT 'participant:' || c.participant_id FROM participants_contact c
        WHERE moment.audience = 'participant' AND c.participant_id = moment.participant_id AND NOT c.opted_out
  ) told ON true
 ORDER BY moment.visit_id
ON CONFLICT (key) DO NOTHING
"""
