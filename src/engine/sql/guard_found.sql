-- Whether the store has the fence of offline moves, and whether it has all that online moves need.
SELECT
    to_regclass('mover.org_guard') IS NOT NULL AS has_fence,
    to_regclass('mover.org_guard_not_settled') IS NOT NULL
    AND to_regclass('mover.change_log_of_org') IS NOT NULL
    AND to_regclass('mover.copy_range') IS NOT NULL
    AND (
        SELECT bool_and(coalesce(has_sequence_privilege('public', to_regclass(watched)::oid, 'SELECT'), false))
        FROM (VALUES ('mover.watched_text'), ('mover.watched_integer'), ('mover.watched_uuid')) AS sequence (watched)
    )
    AND to_regprocedure('mover.watch(text)') IS NOT NULL
    AND to_regprocedure('mover.watch_anew()') IS NOT NULL
    AND to_regprocedure('mover.org_lock(text, text)') IS NOT NULL
    AND to_regprocedure('mover.guard_admit(text, text, text[])') IS NOT NULL
    AND NOT EXISTS (
        SELECT FROM pg_constraint c
        WHERE c.conrelid = to_regclass('mover.org_guard') AND c.contype = 'c'
          AND pg_get_constraintdef(c.oid) LIKE '%settled%' AND pg_get_constraintdef(c.oid) NOT LIKE '%capturing%'
    ) AS has_all
