-- Whether the store has the fence of offline moves, whether it has all that online moves need, and whether its functions call
-- nothing outside pg_catalog and are callable by Mover, and those whom an
-- operator let, alone. Functions of an earlier Mover may fail that.
SELECT
    to_regclass('mover.org_guard') IS NOT NULL AS has_fence,
    to_regclass('mover.org_guard') IS NOT NULL AND to_regclass('mover.change_log') IS NOT NULL
    AND to_regclass('mover.copy_range') IS NOT NULL AND to_regclass('mover.watched_text') IS NOT NULL AS has_tables,
    to_regclass('mover.org_guard_not_settled') IS NOT NULL
    AND to_regclass('mover.change_log_of_org') IS NOT NULL
    AND to_regclass('mover.copy_range') IS NOT NULL
    AND (SELECT c.relreplident = 'f' FROM pg_class c WHERE c.oid = to_regclass('mover.change_log'))
    AND (
        SELECT bool_and(coalesce(has_sequence_privilege('public', to_regclass(watched)::oid, 'SELECT'), false))
        FROM (VALUES ('mover.watched_text'), ('mover.watched_integer'), ('mover.watched_uuid')) AS sequence (watched)
    )
    AND to_regprocedure('mover.watch(text[])') IS NOT NULL
    AND to_regprocedure('mover.watch_anew()') IS NOT NULL
    AND to_regprocedure('mover.org_lock(text, text)') IS NOT NULL
    AND to_regprocedure('mover.guard_admit(text, text, text[])') IS NOT NULL
    AND to_regclass('mover.guard_side') IS NOT NULL
    AND to_regprocedure('mover.require_here(text, text)') IS NOT NULL
    AND NOT EXISTS (
        SELECT FROM pg_constraint c
        WHERE c.conrelid = to_regclass('mover.org_guard') AND c.contype = 'c'
          AND pg_get_constraintdef(c.oid) LIKE '%settled%' AND pg_get_constraintdef(c.oid) NOT LIKE '%capturing%'
    ) AS has_all,
    NOT EXISTS (
        SELECT FROM (
            VALUES ('mover.watched_bits(text[])', true), ('mover.watch(text[])', true), ('mover.watch_anew()', true),
                   ('mover.guard_admit(text, text, text[])', true), ('mover.require_here(text, text)', true),
                   ('mover.org_lock(text, text)', false)
        ) AS made (signature, has_path)
        LEFT JOIN pg_proc p ON p.oid = to_regprocedure(made.signature)
        WHERE p.oid IS NULL
           OR has_function_privilege('public', p.oid, 'EXECUTE')
           OR made.has_path AND ('search_path=pg_catalog, pg_temp' = ANY (p.proconfig)) IS NOT TRUE
           OR EXISTS (
               SELECT FROM pg_depend d
               WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid
                 AND d.refclassid IN ('pg_proc'::regclass, 'pg_operator'::regclass)
           )
    ) AS is_closed
