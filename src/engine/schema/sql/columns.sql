-- The columns of tables.
SELECT
    a.attrelid AS table_oid,
    a.attname::text AS name,
    a.atttypid AS type_oid,
    format_type(a.atttypid, a.atttypmod) AS written,
    a.atttypmod AS modifier,
    a.attnotnull AS not_null,
    a.atthasdef OR a.attidentity <> '' OR a.attgenerated <> '' AS has_default,
    a.attgenerated <> '' AS generated,
    (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum) AS default_value,
    -- Set if the collation treats differently written texts as equal.
    (
        SELECT format('%I.%I', s.nspname, l.collname) FROM pg_collation l JOIN pg_namespace s ON s.oid = l.collnamespace
        WHERE l.oid = a.attcollation AND NOT l.collisdeterministic
    ) AS inexact_collation,
    -- A unique or plain index that begins with the column can find an org's rows.
    EXISTS (
        SELECT FROM pg_index i
        WHERE i.indrelid = a.attrelid AND i.indisvalid AND i.indkey[0] = a.attnum AND i.indpred IS NULL
    ) AS leads_an_index,
    (
        SELECT k.position::int FROM unnest(p.indkey) WITH ORDINALITY AS k (number, position)
        WHERE k.number = a.attnum AND k.position <= p.indnkeyatts
    ) AS key_position
FROM pg_attribute a
LEFT JOIN pg_index p ON p.indrelid = a.attrelid AND p.indisprimary
WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
