-- Records that a schema migration was run.
INSERT INTO mover.schema_migration (number, name, checksum) VALUES ($1, $2, $3)
