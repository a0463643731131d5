-- The keys that were written, each once per org.
SELECT org_key, table_name, row_key, bool_or(subtree)
FROM mover.change_log WHERE migration = $1 AND org_key = ANY ($2::text[]) GROUP BY 1, 2, 3
