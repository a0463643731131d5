-- All that a plan for tables (named in quotes) may depend on, part by part: the relation it belongs to, its kind, its name, and
-- its definition. Nothing here is formatted by a function that depends on search_path: expressions are taken in their stored
-- form. The oid of a table distinguishes it from another that replaced it. Partitions have the columns of their root. Catalogs
-- are looked up by oid, never read as a whole: they may be large.
WITH root AS MATERIALIZED (
    SELECT ARRAY(SELECT DISTINCT to_regclass(name)::oid FROM unnest($1::text[]) AS wanted (name)) AS oids
),
member AS MATERIALIZED (
    SELECT ARRAY(
        SELECT unnest(oids) FROM root
        UNION
        SELECT tree.relid FROM root CROSS JOIN unnest(oids) AS oid CROSS JOIN LATERAL pg_partition_tree(oid) AS tree
    ) AS oids
)
SELECT
    c.oid AS relation, 'table' AS kind, n.nspname::text || '.' || c.relname AS name,
    concat_ws(' ', c.relkind, c.relam, c.relpersistence, c.relispartition, c.relrowsecurity, c.relforcerowsecurity, c.relpartbound)
        AS made_of
FROM pg_class c, pg_namespace n
WHERE c.oid = ANY ((SELECT oids FROM member)::oid[]) AND n.oid = c.relnamespace
UNION ALL
SELECT p.partrelid, 'partition key', '', p::text
FROM pg_partitioned_table p WHERE p.partrelid = ANY ((SELECT oids FROM member)::oid[])
UNION ALL
SELECT
    a.attrelid, 'column', a.attname::text,
    concat_ws(' ', a.attnum, a.atttypid, a.atttypmod, a.attcollation, a.attnotnull, a.attidentity, a.attgenerated)
FROM pg_attribute a
WHERE a.attrelid = ANY ((SELECT oids FROM root)::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL
-- What a column's type is made of, if it is not a type of Postgres itself: the labels of enums, the fields of composites. A label
-- that is renamed changes the text of rows and leaves no trace in them.
SELECT a.attrelid, 'type', a.attname::text, (
    WITH RECURSIVE reached (oid) AS (
        SELECT a.atttypid
        UNION
        SELECT part.oid
        FROM reached r
        JOIN pg_type t ON t.oid = r.oid
        CROSS JOIN LATERAL (
            SELECT t.typbasetype AS oid
            UNION ALL SELECT t.typelem
            UNION ALL SELECT f.atttypid FROM pg_attribute f WHERE f.attrelid = t.typrelid AND f.attnum > 0
            UNION ALL SELECT g.rngsubtype FROM pg_range g WHERE g.rngtypid = t.oid
        ) part
        WHERE part.oid >= 16384
    )
    SELECT concat_ws(
        ' ',
        string_agg(r.oid::text, ' ' ORDER BY r.oid),
        (
            SELECT string_agg(concat_ws(' ', e.oid, e.enumsortorder, quote_literal(e.enumlabel)), ' ' ORDER BY e.oid)
            FROM pg_enum e WHERE e.enumtypid = ANY (array_agg(r.oid))
        ),
        (
            SELECT string_agg(concat_ws(' ', f.attrelid, f.attnum, f.attname, f.atttypid, f.atttypmod), ' ' ORDER BY f.attrelid, f.attnum)
            FROM pg_type t
            JOIN pg_attribute f ON f.attrelid = t.typrelid AND f.attnum > 0 AND NOT f.attisdropped
            WHERE t.oid = ANY (array_agg(r.oid)) AND t.typtype = 'c'
        )
    )
    FROM reached r
)
FROM pg_attribute a
WHERE a.attrelid = ANY ((SELECT oids FROM root)::oid[]) AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384
UNION ALL
SELECT
    d.adrelid, 'default',
    (SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = d.adrelid AND a.attnum = d.adnum), d.adbin::text
FROM pg_attrdef d WHERE d.adrelid = ANY ((SELECT oids FROM root)::oid[])
UNION ALL
SELECT k.conrelid, 'constraint', k.conname::text, k::text
FROM pg_constraint k WHERE k.conrelid = ANY ((SELECT oids FROM member)::oid[])
UNION ALL
SELECT i.indrelid, 'index', (SELECT c.relname::text FROM pg_class c WHERE c.oid = i.indexrelid), i::text
FROM pg_index i WHERE i.indrelid = ANY ((SELECT oids FROM member)::oid[])
UNION ALL
SELECT g.tgrelid, 'trigger', g.tgname::text, g::text
FROM pg_trigger g
WHERE g.tgrelid = ANY ((SELECT oids FROM member)::oid[])
  AND NOT g.tgisinternal AND NOT starts_with(g.tgname::text, 'mover_guard_')
UNION ALL
-- The triggers of the guard, of every migration: a trigger that was disabled for a moment has not seen what was written then.
SELECT g.tgrelid, 'guard', g.tgname::text, concat_ws(' ', g.oid, g.xmin, g.tgenabled, g.tgfoid)
FROM pg_trigger g
WHERE g.tgrelid = ANY ((SELECT oids FROM member)::oid[]) AND starts_with(g.tgname::text, 'mover_guard_')
UNION ALL
SELECT r.ev_class, 'rule', r.rulename::text, r::text
FROM pg_rewrite r WHERE r.ev_class = ANY ((SELECT oids FROM member)::oid[])
UNION ALL
SELECT h.inhparent, 'heir', h.inhrelid::text, ''
FROM pg_inherits h WHERE h.inhparent = ANY ((SELECT oids FROM member)::oid[])
