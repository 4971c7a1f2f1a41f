"""Who of the staff is told: what the planning statements of several rooms say of it, once.

`TOLD` stands among the common table expressions of a statement that knows `%(kind)s`, the kind of message, after a
relation `moment` with `site_id`, `reveals_arm` and `ladder`, the roles to be told from left to right. It gives
`told (site_id, reveals_arm, ladder, user_id, role)`: the holders of the first role that anybody holds there who may
and will be told, so that nothing is lost with a vacancy or a refusal. It is worked out once for each place, not for
each moment.
"""

from typing import Final

TOLD: Final = """
holder AS MATERIALIZED (
    SELECT DISTINCT m.role, m.site_id, u.id AS user_id,
           EXISTS (SELECT FROM staff_rolecapability c WHERE c.role = m.role AND c.capability = 'arm.see') AS sees_arms
      FROM staff_membership m JOIN staff_user u ON u.id = m.user_id
     WHERE u.is_active AND u.email <> '' AND u.kind = 'person'
       AND m.starts_at <= statement_timestamp() AND (m.ends_at IS NULL OR m.ends_at > statement_timestamp())
       AND NOT EXISTS (SELECT FROM outbox_preference w WHERE w.user_id = u.id AND w.kind = %(kind)s AND NOT w.wanted)
), hearing AS MATERIALIZED (
    SELECT place.*, holder.user_id, holder.role, array_position(place.ladder, holder.role) AS rung
      FROM (SELECT DISTINCT site_id, reveals_arm, ladder FROM moment) place
      JOIN holder ON holder.role = ANY (place.ladder) AND (holder.site_id IS NULL OR holder.site_id = place.site_id)
       AND (holder.sees_arms OR NOT place.reveals_arm)
), told AS MATERIALIZED (
    SELECT DISTINCT site_id, reveals_arm, ladder, user_id, role
      FROM (SELECT *, min(rung) OVER (PARTITION BY site_id, reveals_arm, ladder) AS first FROM hearing) h
     WHERE rung = first
)"""
