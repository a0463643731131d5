-- Nothing of any migration is left: no trace stays behind. The schema stays if it is used for something else.
DO $$
BEGIN
    IF EXISTS (SELECT FROM mover.org_guard) OR EXISTS (
        SELECT FROM pg_trigger t WHERE NOT t.tgisinternal AND starts_with(t.tgname::text, 'mover_guard_')
    ) THEN
        RETURN;
    END IF;
    DROP FUNCTION mover.guard_admit(text, text, text[]), mover.org_lock(text, text);
    DROP TABLE mover.org_guard, mover.change_log, mover.copy_range;
    IF NOT EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'mover'::regnamespace)
       AND NOT EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = 'mover'::regnamespace) THEN
        DROP SCHEMA mover;
    END IF;
END
$$
