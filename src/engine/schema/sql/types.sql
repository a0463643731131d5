-- Types and all their components: base types of domains, elements of arrays, fields of composites, subtypes of ranges.
WITH RECURSIVE reached (oid) AS (
    SELECT unnest($1::oid[])
    UNION
    SELECT part.oid
    FROM reached r
    JOIN pg_type t ON t.oid = r.oid
    CROSS JOIN LATERAL (
        SELECT t.typbasetype AS oid WHERE t.typbasetype <> 0
        UNION ALL SELECT t.typelem WHERE t.typelem <> 0
        UNION ALL SELECT a.atttypid FROM pg_attribute a
            WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL SELECT g.rngsubtype FROM pg_range g WHERE g.rngtypid = t.oid
    ) part
)
SELECT
    t.oid,
    n.nspname::text AS schema,
    t.typname::text AS name,
    t.typtype::text AS kind,
    t.typcategory::text AS category,
    t.typbasetype AS base,
    t.typelem AS element,
    t.typsend <> 0 AND t.typreceive <> 0 AS has_binary_form,
    ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels,
    ARRAY(
        SELECT a.attname::text FROM pg_attribute a
        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
    ) AS field_names,
    ARRAY(
        SELECT a.atttypid FROM pg_attribute a
        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
    ) AS field_types,
    (SELECT g.rngsubtype FROM pg_range g WHERE g.rngtypid = t.oid) AS subtype,
    -- The equality that its own indexes use.
    (
        SELECT format('OPERATOR(%I.%s)', s.nspname, o.oprname)
        FROM pg_opclass c
        JOIN pg_am m ON m.oid = c.opcmethod AND m.amname IN ('btree', 'hash')
        JOIN pg_amop e ON e.amopfamily = c.opcfamily AND e.amoplefttype = c.opcintype AND e.amoprighttype = c.opcintype
            AND e.amopstrategy = CASE m.amname WHEN 'btree' THEN 3 ELSE 1 END
        JOIN pg_operator o ON o.oid = e.amopopr
        JOIN pg_namespace s ON s.oid = o.oprnamespace
        WHERE c.opcdefault AND c.opcintype = t.oid
        ORDER BY m.amname
        LIMIT 1
    ) AS equality
FROM reached
JOIN pg_type t USING (oid)
JOIN pg_namespace n ON n.oid = t.typnamespace
