-- Which schema migrations were run.
SELECT number, name, checksum FROM mover.schema_migration ORDER BY number
