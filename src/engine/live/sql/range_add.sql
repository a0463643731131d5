INSERT INTO mover.copy_range (migration, org_key, table_name, number, above, upto) VALUES ($1, $2, $3, $4, $5, $6)
