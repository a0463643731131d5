-- Foreign keys of tables and of their partitions; those that a partition inherits appear only once. PostgreSQL 18 has some that
-- nobody enforces, which are not verified either.
WITH member (root, oid) AS (
    SELECT root, root FROM unnest($1::oid[]) AS root
    UNION
    SELECT root, tree.relid FROM unnest($1::oid[]) AS root CROSS JOIN LATERAL pg_partition_tree(root) tree
)
SELECT
    k.conname::text AS name,
    m.root AS child_root,
    child_schema.nspname::text AS child_schema,
    child.relname::text AS child_name,
    child.relkind::text AS child_kind,
    k.confrelid AS parent_oid,
    coalesce((SELECT p.root FROM member p WHERE p.oid = k.confrelid LIMIT 1), k.confrelid) AS parent_root,
    parent_schema.nspname::text AS parent_schema,
    parent.relname::text AS parent_name,
    parent.relkind::text AS parent_kind,
    coalesce(has_table_privilege(k.confrelid, 'SELECT'), false) AS may_select_parent,
    k.condeferrable AS deferrable,
    ARRAY(
        SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS c (number, position)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = c.number ORDER BY c.position
    ) AS child_columns,
    ARRAY(
        SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS c (number, position)
        JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = c.number ORDER BY c.position
    ) AS parent_columns,
    -- The operators that the foreign key itself uses.
    ARRAY(
        SELECT format('OPERATOR(%I.%s)', n.nspname, o.oprname)
        FROM unnest(k.conpfeqop) WITH ORDINALITY AS c (oid, position)
        JOIN pg_operator o ON o.oid = c.oid JOIN pg_namespace n ON n.oid = o.oprnamespace ORDER BY c.position
    ) AS equalities
FROM member m
JOIN pg_constraint k ON k.conrelid = m.oid AND k.contype = 'f' AND k.conparentid = 0
    AND coalesce((to_jsonb(k) ->> 'conenforced')::boolean, true)
JOIN pg_class child ON child.oid = k.conrelid
JOIN pg_namespace child_schema ON child_schema.oid = child.relnamespace
JOIN pg_class parent ON parent.oid = k.confrelid
JOIN pg_namespace parent_schema ON parent_schema.oid = parent.relnamespace
ORDER BY child_schema.nspname, child.relname, k.conname
