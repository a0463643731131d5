-- Sequences that fill columns of tables: owned by the column (serial, identity) or named in its default. A default may also make a
-- text of the number.
WITH RECURSIVE filled (table_oid, number, sequence) AS (
    SELECT f.adrelid, f.adnum, d.refobjid
    FROM pg_attrdef f
    JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid AND d.refclassid = 'pg_class'::regclass
    WHERE f.adrelid = ANY ($1::oid[])
    UNION
    SELECT d.refobjid, d.refobjsubid::int2, d.objid
    FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY ($1::oid[])
      AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
),
-- A domain is the type that it restricts.
base (table_oid, number, type_oid) AS (
    SELECT a.attrelid, a.attnum, a.atttypid
    FROM (SELECT DISTINCT table_oid, number FROM filled) AS f (table_oid, number)
    JOIN pg_attribute a ON a.attrelid = f.table_oid AND a.attnum = f.number
    UNION
    SELECT b.table_oid, b.number, t.typbasetype FROM base b JOIN pg_type t ON t.oid = b.type_oid WHERE t.typtype = 'd'
)
SELECT
    a.attrelid AS table_oid,
    a.attname::text AS column_name,
    n.nspname::text AS schema,
    s.relname::text AS name,
    q.seqincrement AS increment,
    q.seqmin AS least,
    q.seqmax AS greatest,
    q.seqcycle AS cycles,
    EXISTS (
        SELECT FROM base b
        WHERE b.table_oid = a.attrelid AND b.number = a.attnum AND b.type_oid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)
    ) AND coalesce(
        (
            SELECT pg_get_expr(d.adbin, d.adrelid) ~ '^\(?nextval\(''.*''::regclass\)\)?(::.*)?$'
            FROM pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum
        ),
        true
    ) AS fills_integers,
    coalesce(has_sequence_privilege(s.oid, 'USAGE'), false) AS may_use,
    coalesce(has_sequence_privilege(s.oid, 'SELECT'), false) AS may_select
FROM filled f
JOIN pg_class s ON s.oid = f.sequence AND s.relkind = 'S'
JOIN pg_sequence q ON q.seqrelid = s.oid
JOIN pg_namespace n ON n.oid = s.relnamespace
JOIN pg_attribute a ON a.attrelid = f.table_oid AND a.attnum = f.number
ORDER BY 1, 2
