-- The orgs live here, and nothing is logged any more. An org is not returned if it has moved or its row has a newer epoch.
WITH settled AS (
    UPDATE mover.org_guard guard
    SET mode = 'settled', mode_before = guard.mode, epoch = claimed.epoch, changed_at = now()
    FROM unnest($2::text[], $3::bigint[]) AS claimed (org_key, epoch)
    WHERE guard.migration = $1 AND guard.org_key = ANY ($2) AND guard.org_key = claimed.org_key
      AND guard.epoch <= claimed.epoch AND guard.mode IN ('capturing', 'settled')
    RETURNING guard.org_key, guard.mode
),
forgotten AS (
    DELETE FROM mover.change_log WHERE migration = $1 AND org_key = ANY (ARRAY(SELECT settled.org_key FROM settled))
)
SELECT org_key, mode FROM settled
