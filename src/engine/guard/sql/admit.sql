-- Decides about a write to orgs of which at least one may not be settled: refuses it, or returns the orgs whose writes must be
-- logged. All writers take the orgs in the same order, so that they cannot deadlock.
-- A writer with a snapshot reads the row FOR SHARE: a snapshot from before a change of the mode fails (40001), and the mode cannot
-- change until the writer ends. If the org is settled in its snapshot, that is enough: locks are few, and it may write to all orgs.
-- A writer that may meet the switch of a moving org takes the org's lock first, and then reads the mode (again): the org may have
-- been switched while the writer waited for the lock.
CREATE OR REPLACE FUNCTION mover.guard_admit(
    migration pg_catalog.text, other_store pg_catalog.text, touched pg_catalog.text[]
) RETURNS pg_catalog.text[] LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $mover$
<<admit>>
DECLARE
    has_snapshot CONSTANT pg_catalog.bool := pg_catalog.current_setting('transaction_isolation')
        OPERATOR(pg_catalog.=) ANY (ARRAY['repeatable read', 'serializable']);
    org        pg_catalog.text;
    found_mode pg_catalog.text;
    capturing  pg_catalog.text[];
BEGIN
    FOREACH org IN ARRAY touched LOOP
        IF has_snapshot THEN
            SELECT g.mode INTO found_mode FROM mover.org_guard AS g
            WHERE g.migration OPERATOR(pg_catalog.=) guard_admit.migration AND g.org_key OPERATOR(pg_catalog.=) org;
            IF (found_mode OPERATOR(pg_catalog.=) 'settled') IS FALSE THEN
                PERFORM pg_catalog.pg_advisory_xact_lock_shared(mover.org_lock(guard_admit.migration, org));
            END IF;
            INSERT INTO mover.org_guard (migration, org_key, mode, epoch)
            VALUES (guard_admit.migration, org, 'settled', 0) ON CONFLICT DO NOTHING;
            SELECT g.mode INTO found_mode FROM mover.org_guard AS g
            WHERE g.migration OPERATOR(pg_catalog.=) guard_admit.migration AND g.org_key OPERATOR(pg_catalog.=) org
            FOR SHARE;
        ELSE
            PERFORM pg_catalog.pg_advisory_xact_lock_shared(mover.org_lock(guard_admit.migration, org));
            found_mode := (
                SELECT g.mode FROM mover.org_guard AS g
                WHERE g.migration OPERATOR(pg_catalog.=) guard_admit.migration AND g.org_key OPERATOR(pg_catalog.=) org
            );
        END IF;
        IF found_mode OPERATOR(pg_catalog.=) 'capturing' THEN
            capturing := pg_catalog.array_append(capturing, org);
        ELSIF found_mode OPERATOR(pg_catalog.=) ANY (ARRAY['moved', 'discarded']) THEN
            RAISE EXCEPTION USING
                ERRCODE = 'MV001',
                MESSAGE = pg_catalog.format('org %s has moved to store %s', org, other_store),
                DETAIL = pg_catalog.json_build_object(
                    'migration', guard_admit.migration, 'org_key', org, 'store', other_store),
                HINT = pg_catalog.format('read the routing flags again and retry the transaction in store %s', other_store);
        ELSIF found_mode OPERATOR(pg_catalog.=) 'incoming' THEN
            RAISE EXCEPTION USING
                ERRCODE = 'MV002',
                MESSAGE = pg_catalog.format('org %s is being copied here and still lives in store %s', org, other_store),
                DETAIL = pg_catalog.json_build_object(
                    'migration', guard_admit.migration, 'org_key', org, 'store', other_store),
                HINT = pg_catalog.format('read the routing flags again and retry the transaction in store %s', other_store);
        END IF;
    END LOOP;
    RETURN capturing;
END
$mover$;
REVOKE EXECUTE ON FUNCTION mover.guard_admit(pg_catalog.text, pg_catalog.text, pg_catalog.text[]) FROM PUBLIC
