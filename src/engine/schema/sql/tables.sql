-- Tables by their numbers: one row for each, in order; null where there is none.
SELECT
    c.oid,
    n.nspname::text AS schema,
    c.relname::text AS name,
    c.relkind::text AS kind,
    c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid) AS has_heirs,
    coalesce(has_table_privilege(c.oid, 'SELECT'), false) AS may_select,
    coalesce(has_table_privilege(c.oid, 'INSERT'), false) AS may_insert,
    coalesce(has_table_privilege(c.oid, 'DELETE'), false) AS may_delete,
    c.relrowsecurity AND row_security_active(c.oid) AS row_security,
    -- The heap of Postgres stores rows this way. Foreign tables and other access methods do not, in partitions either.
    NOT EXISTS (
        SELECT FROM (SELECT c.oid UNION SELECT tree.relid FROM pg_partition_tree(c.oid) AS tree) AS member (oid)
        JOIN pg_class m ON m.oid = member.oid
        LEFT JOIN pg_am a ON a.oid = m.relam
        WHERE m.relkind NOT IN ('r', 'p') OR m.relkind = 'r' AND a.amhandler IS DISTINCT FROM 'heap_tableam_handler'::regproc
    ) AS numbers_writers
FROM unnest($1::oid[]) WITH ORDINALITY AS wanted (oid, position)
LEFT JOIN pg_class c ON c.oid = wanted.oid
LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
ORDER BY wanted.position
