-- For applications: refuses like a trigger unless the org lives in this store, before the transaction has written a row of it, and keeps the
-- org here until the transaction ends. Triggers see only statements that find rows: an update of a row that went along with its
-- org finds none. An org that the guard does not know may be written here, as by the triggers.
CREATE OR REPLACE FUNCTION mover.require_here(
    migration pg_catalog.text, org_key pg_catalog.text
) RETURNS pg_catalog.void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $mover$
DECLARE
    other_store pg_catalog.text := (
        SELECT s.other_store FROM mover.guard_side AS s
        WHERE s.migration OPERATOR(pg_catalog.=) require_here.migration
    );
BEGIN
    IF other_store IS NULL OR org_key IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = pg_catalog.format('no migration %s is guarded here that could have an org %s', migration, org_key),
            HINT = 'the arguments are the name of the migration, and the key of the org as the key columns write it';
    END IF;
    PERFORM mover.guard_admit(migration, other_store, ARRAY[org_key]);
END
$mover$;
REVOKE EXECUTE ON FUNCTION mover.require_here(pg_catalog.text, pg_catalog.text) FROM PUBLIC
