-- From now on whoever comes with an older epoch is refused.
UPDATE mover.org_guard SET epoch = $3, changed_at = now() WHERE migration = $1 AND org_key = $2 AND epoch < $3
