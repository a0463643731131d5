DELETE FROM mover.copy_range WHERE migration = $1 AND org_key = ANY ($2::text[])
