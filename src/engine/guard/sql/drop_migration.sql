-- Forgets a migration in this store, unless orgs have begun to move since it was looked at.
LOCK TABLE mover.org_guard IN EXCLUSIVE MODE;
DO $$
BEGIN
    IF (SELECT count(*) FROM mover.org_guard g WHERE g.migration = {migration} AND g.mode <> 'settled') <> {unsettled} THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state', MESSAGE = 'orgs began to move meanwhile';
    END IF;
END
$$;
DO $$
BEGIN
    -- A guard of an earlier version does not have it.
    IF to_regclass('mover.guard_side') IS NOT NULL THEN
        DELETE FROM mover.guard_side WHERE migration = {migration};
    END IF;
END
$$;
DELETE FROM mover.change_log WHERE migration = {migration};
DELETE FROM mover.copy_range WHERE migration = {migration};
DELETE FROM mover.org_guard WHERE migration = {migration}
