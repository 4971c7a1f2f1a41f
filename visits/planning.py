"""The statement that plans reminders: `rules.speaking`, said in SQL for all visits at once.

For each open visit and audience the rule whose moment came last is written; earlier ones that were never written
have collapsed into it. `key` makes each (visit, kind, version, recipient, channel) unique, so that planning again
writes nothing; the version is that of the window, or for rules of the appointment the count of bookings.

A rule for staff reaches the holders of its role at the hospital, or of the next in the protocol's escalation
(`trialsite.outbox.holders`). Roles that may not see arms get nothing of a visit that reveals one.

Three branches, one for each date that a rule can hang on, so that each reads its partial index between two days:
what is read are the visits whose dates are near, and those that are overdue, never the whole schedule. The days are
worked out in `rule`, because under a row policy only a bare comparison reaches an index: date arithmetic may fail
and so tell of rows that the policy hides. They are a day too wide, in UTC; the exact instant in the hospital's zone
decides after.
"""

from typing import Final

from trialsite.outbox.holders import TOLD

PLAN: Final = """
WITH rule AS MATERIALIZED (
    SELECT r.*, %(today)s::date - r.offset_days + 1 AS last,
           CASE WHEN r.relative_to = 'opens' THEN %(today)s::date - %(widest)s - 1
                WHEN r.offset_days > 0 THEN '-infinity' ELSE %(today)s::date - 1 END AS first,
           %(now)s + make_interval(days => 2 - r.offset_days) AS until
      FROM jsonb_to_recordset(%(rules)s::jsonb) AS r(
        rank int, protocol_version bigint, kind text, audience text, ladder text[], relative_to text,
        offset_days int, at time, channel text)
), near AS (
    SELECT r.*, v.id AS visit_id, v.code AS visit, v.reveals_arm, v.participant_id, v.site_id,
           v.plan_version AS version, v.opens_on AS day, v.closes_on
      FROM rule r
      JOIN visits_visit v ON v.state = 'expected' AND v.opens_on BETWEEN r.first AND r.last
     WHERE r.relative_to = 'opens'
     UNION ALL
    SELECT r.*, v.id, v.code, v.reveals_arm, v.participant_id, v.site_id, v.plan_version, v.closes_on, v.closes_on
      FROM rule r
      JOIN visits_visit v ON v.state IN ('expected', 'booked') AND v.closes_on BETWEEN r.first AND r.last
     WHERE r.relative_to = 'closes'
     UNION ALL
    SELECT r.*, v.id, v.code, v.reveals_arm, v.participant_id, v.site_id, v.bookings,
           (v.appointment_at AT TIME ZONE s.timezone)::date, v.closes_on
      FROM rule r
      JOIN visits_visit v ON v.state = 'booked' AND v.appointment_at > %(now)s AND v.appointment_at < r.until
      JOIN sites_site s ON s.id = v.site_id
     WHERE r.relative_to = 'appointment'
), moment AS MATERIALIZED (
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
), {told}
INSERT INTO outbox_message (created_at, key, kind, recipient, channel, payload, subject_code, site_id, due_at,
                            state, attempts, answer)
SELECT %(now)s, concat_ws(':', 'visit', visit_id, kind, version, recipient, channel), %(kind)s, recipient, channel,
       jsonb_build_object('visit', visit_id, 'code', visit, 'rule', kind, 'version', version, 'role', role),
       code, site_id, due_at, 'pending', 0, ''
  FROM (SELECT moment.*, told.role, 'user:' || told.user_id AS recipient
          FROM moment JOIN told USING (site_id, reveals_arm, ladder)
         UNION ALL
        SELECT moment.*, 'participant', 'participant:' || participant_id
          FROM moment JOIN participants_contact c USING (participant_id)
         WHERE moment.audience = 'participant' AND NOT c.opted_out AND c.contact_consent) AS message
 ORDER BY visit_id
ON CONFLICT (key) DO NOTHING
""".replace("{told}", TOLD)
