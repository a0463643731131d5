-- The list of schema migrations that were run. The schema may exist already: the engine keeps its guard in a schema of the same
-- name.
CREATE SCHEMA IF NOT EXISTS mover;
CREATE TABLE IF NOT EXISTS mover.schema_migration (
    number     integer PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
