-- Pairs of compared columns, by number, whose types have no common equality operator, or whose collations differ: then the
-- collation of the second applies. Types have a common operator if an operator family of B-trees has one for them, or if one
-- type casts to the other implicitly.
WITH pairs AS (
    SELECT p.number, p.child, p.child_column, p.parent, p.parent_column
    FROM unnest($1::oid[], $2::text[], $3::oid[], $4::text[])
        WITH ORDINALITY AS p (child, child_column, parent, parent_column, number)
),
bases AS (
    SELECT p.number, side.is_child, type.oid, column_of.attcollation AS collation
    FROM pairs p
    CROSS JOIN LATERAL (VALUES (true, p.child, p.child_column), (false, p.parent, p.parent_column)) AS side (is_child, relid, name)
    JOIN pg_attribute column_of ON column_of.attrelid = side.relid AND column_of.attname = side.name
    CROSS JOIN LATERAL (
        WITH RECURSIVE down (oid, depth) AS (
            SELECT column_of.atttypid, 0
            UNION ALL
            SELECT t.typbasetype, d.depth + 1 FROM down d JOIN pg_type t ON t.oid = d.oid WHERE t.typtype = 'd'
        )
        SELECT CASE d.oid WHEN 'varchar'::regtype THEN 'text'::regtype::oid ELSE d.oid END AS oid
        FROM down d ORDER BY d.depth DESC LIMIT 1
    ) AS type
)
SELECT child.number,
    CASE WHEN child.oid = parent.oid THEN (
        SELECT format('%I.%I', n.nspname, l.collname)
        FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace WHERE l.oid = parent.collation
    ) END AS collation
FROM bases child
JOIN bases parent ON parent.number = child.number AND NOT parent.is_child
WHERE child.is_child AND (
    child.oid <> parent.oid
    AND NOT EXISTS (
        SELECT FROM pg_amop o
        WHERE o.amopmethod = (SELECT m.oid FROM pg_am m WHERE m.amname = 'btree') AND o.amopstrategy = 3
          AND o.amoplefttype = child.oid AND o.amoprighttype = parent.oid
          -- Which moment a date means depends on a setting.
          AND 'timestamptz'::regtype NOT IN (o.amoplefttype, o.amoprighttype)
    )
    AND NOT EXISTS (
        SELECT FROM pg_cast c
        WHERE (c.castsource, c.casttarget) IN ((child.oid, parent.oid), (parent.oid, child.oid)) AND c.castcontext = 'i'
          AND 'timestamptz'::regtype NOT IN (c.castsource, c.casttarget)
          AND c.castsource NOT IN ('bpchar'::regtype, 'name'::regtype) AND c.castmethod = 'f'
          AND c.casttarget NOT IN ('float4'::regtype, 'float8'::regtype)
    )
    OR child.oid = parent.oid AND child.collation <> parent.collation
)
ORDER BY 1
