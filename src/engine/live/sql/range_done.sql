UPDATE mover.copy_range SET rows = $5, bytes = $6
WHERE migration = $1 AND org_key = $2 AND table_name = $3 AND number = $4
