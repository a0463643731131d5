-- The keys that were written, each once.
SELECT table_name, row_key, bool_or(subtree) FROM mover.change_log WHERE migration = $1 AND org_key = $2 GROUP BY 1, 2
