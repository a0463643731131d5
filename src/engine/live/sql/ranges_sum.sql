SELECT coalesce(sum(rows), 0)::int8, coalesce(sum(bytes), 0)::int8 FROM mover.copy_range WHERE migration = $1 AND org_key = $2
