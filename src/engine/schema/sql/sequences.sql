-- Sequences that fill integer columns of tables: owned by the column (serial, identity) or named in its default.
SELECT DISTINCT
    a.attrelid AS table_oid,
    a.attname::text AS column_name,
    n.nspname::text AS schema,
    s.relname::text AS name,
    q.seqincrement AS increment,
    q.seqstart AS start,
    coalesce(has_sequence_privilege(s.oid, 'USAGE'), false) AS may_use,
    coalesce(has_sequence_privilege(s.oid, 'SELECT'), false) AS may_select
FROM pg_depend d
JOIN pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid
JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
JOIN pg_class s ON d.refclassid = 'pg_class'::regclass AND s.oid = d.refobjid AND s.relkind = 'S'
JOIN pg_sequence q ON q.seqrelid = s.oid
JOIN pg_namespace n ON n.oid = s.relnamespace
WHERE a.attrelid = ANY ($1::oid[]) AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
UNION
SELECT
    a.attrelid,
    a.attname::text,
    n.nspname::text,
    s.relname::text,
    q.seqincrement,
    q.seqstart,
    coalesce(has_sequence_privilege(s.oid, 'USAGE'), false),
    coalesce(has_sequence_privilege(s.oid, 'SELECT'), false)
FROM pg_depend d
JOIN pg_class s ON d.classid = 'pg_class'::regclass AND s.oid = d.objid AND s.relkind = 'S'
JOIN pg_sequence q ON q.seqrelid = s.oid
JOIN pg_namespace n ON n.oid = s.relnamespace
JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND d.refobjsubid > 0
  AND a.attrelid = ANY ($1::oid[]) AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
ORDER BY 1, 2
