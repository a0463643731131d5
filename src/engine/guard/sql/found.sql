-- The triggers of the guard on these tables and all their partitions, one row each: a write fires the triggers of the table
-- that it names, on whatever level that is. A place without triggers has one row.
SELECT
    root.oid AS root,
    c.oid,
    pg_has_role(c.relowner, 'USAGE') AS is_ours,
    format('%I.%I', n.nspname, c.relname) AS place,
    t.tgname::text AS trigger,
    t.tgenabled::text AS enabled,
    t.tgtype AS firing,
    t.tgoldtable::text AS old_rows,
    t.tgnewtable::text AS new_rows,
    substring(pg_get_triggerdef(t.oid) FROM ' WHEN \((.*)\) EXECUTE FUNCTION ') AS condition,
    t.tgattr::text <> '' OR t.tgnargs > 0 AS is_narrowed,
    CASE WHEN p.oid IS NOT NULL THEN format('%I.%I', pn.nspname, p.proname) END AS function,
    p.prosrc AS body,
    p.prosecdef AS runs_as_owner,
    has_function_privilege('public', p.oid, 'EXECUTE') AS is_public,
    EXISTS (
        SELECT FROM pg_depend d
        WHERE d.classid = 'pg_trigger'::regclass AND d.objid = t.oid
          AND (d.refclassid = 'pg_operator'::regclass OR d.refclassid = 'pg_proc'::regclass AND d.refobjid <> t.tgfoid)
    ) AS calls_others,
    coalesce(p.proconfig, '{}') AS settings
FROM unnest($1::oid[]) AS root (oid)
CROSS JOIN LATERAL (
    SELECT root.oid AS relid
    UNION
    SELECT tree.relid FROM pg_partition_tree(root.oid) tree
) place
JOIN pg_class c ON c.oid = place.relid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_trigger t ON t.tgrelid = c.oid AND (NOT t.tgisinternal OR t.tgparentid <> 0)
    AND starts_with(t.tgname::text, $2)
LEFT JOIN pg_proc p ON p.oid = t.tgfoid
LEFT JOIN pg_namespace pn ON pn.oid = p.pronamespace
WHERE c.relkind IN ('r', 'p')
ORDER BY place, trigger
