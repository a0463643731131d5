-- Removes the last traces when no migration is left. The schema stays if it has other objects, or is not ours.
DO $$
BEGIN
    -- No other process creates the tables meanwhile.
    PERFORM pg_advisory_xact_lock(hashtext('mover.org_guard'));
    IF EXISTS (SELECT FROM mover.org_guard) OR EXISTS (
        SELECT FROM pg_trigger t WHERE NOT t.tgisinternal AND starts_with(t.tgname::text, 'mover_guard_')
    ) THEN
        RETURN;
    END IF;
    DROP FUNCTION IF EXISTS mover.require_here(text, text), mover.guard_admit(text, text, text[]), mover.org_lock(text, text);
    DROP TABLE IF EXISTS mover.guard_side;
    DROP TABLE mover.org_guard, mover.change_log, mover.copy_range;
    DROP FUNCTION IF EXISTS mover.watch(text[]), mover.watch_anew(), mover.watched_bits(text[]);
    -- Of earlier versions.
    DROP FUNCTION IF EXISTS mover.watch(text), mover.watched_bits(text);
    DROP SEQUENCE IF EXISTS mover.watched_text, mover.watched_integer, mover.watched_uuid;
    IF EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = 'mover' AND pg_has_role(n.nspowner, 'USAGE'))
       AND NOT EXISTS (
           SELECT FROM pg_depend d
           WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = 'mover'::regnamespace AND d.deptype = 'n'
       ) THEN
        DROP SCHEMA mover;
    END IF;
END
$$
