-- The guard of a store as an earlier version left it: the functions that set the triggers' bits took one org, and indexes began
-- with the migration.
DROP FUNCTION mover.watch(text[]), mover.watch_anew(), mover.watched_bits(text[]);
CREATE FUNCTION mover.watch(org_key text) RETURNS void LANGUAGE sql SET search_path = pg_catalog, pg_temp RETURN NULL;
CREATE FUNCTION mover.watched_bits(org_key text) RETURNS bigint LANGUAGE sql SET search_path = pg_catalog, pg_temp RETURN 0;
REVOKE EXECUTE ON FUNCTION mover.watch(text), mover.watched_bits(text) FROM PUBLIC;
ALTER TABLE mover.org_guard DROP CONSTRAINT org_guard_pkey, ADD PRIMARY KEY (migration, org_key);
DROP FUNCTION mover.require_here(text, text);
DROP TABLE mover.guard_side;
