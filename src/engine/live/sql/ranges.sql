-- The ranges of the copy, and which are done.
SELECT table_name, number, above, upto, rows IS NOT NULL AS is_done
FROM mover.copy_range WHERE migration = $1 AND org_key = ANY ($2::text[]) ORDER BY org_key, table_name, number
