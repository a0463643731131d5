-- Views and functions of users, without those of extensions.
SELECT
    CASE c.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END AS kind,
    format('%I.%I', n.nspname, c.relname) AS name,
    format('SELECT pg_get_viewdef(%L)', format('%I.%I', n.nspname, c.relname)) AS shown_by
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'mover') AND n.nspname NOT LIKE 'pg\_%'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
UNION ALL
SELECT
    CASE p.prokind WHEN 'a' THEN 'aggregate' WHEN 'p' THEN 'procedure' ELSE 'function' END,
    format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
    CASE WHEN p.prokind <> 'a' THEN format('SELECT pg_get_functiondef(%L::regprocedure)', format('%I.%I(%s)', n.nspname, p.proname, (
        SELECT string_agg(format_type(t.oid, NULL), ', ' ORDER BY t.place) FROM unnest(p.proargtypes) WITH ORDINALITY AS t (oid, place)
    ))) END
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'mover') AND n.nspname NOT LIKE 'pg\_%'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
ORDER BY 1, 2
