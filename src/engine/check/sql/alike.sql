-- Properties that tables enforce beyond the types of their columns: one row each, with the statement that creates it.
SELECT i.indrelid AS table_oid, 'unique index' AS kind, NULL::text AS column_name, c.relname::text AS name,
    format(
        '(%s)%s',
        (
            SELECT string_agg(pg_get_indexdef(i.indexrelid, k, false), ', ' ORDER BY k)
            FROM generate_series(1, i.indnkeyatts::int) AS k
        ),
        ' WHERE ' || pg_get_expr(i.indpred, i.indrelid)
    ) AS what,
    pg_get_indexdef(i.indexrelid) AS sql
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = ANY ($1::oid[]) AND i.indisunique AND NOT i.indisprimary AND i.indisvalid
UNION ALL
SELECT n.conrelid, CASE n.contype WHEN 'f' THEN 'foreign key' WHEN 'c' THEN 'check' ELSE 'exclusion constraint' END, NULL,
    n.conname::text, pg_get_constraintdef(n.oid),
    format('ALTER TABLE %s ADD CONSTRAINT %I %s', n.conrelid::regclass, n.conname, pg_get_constraintdef(n.oid))
FROM pg_constraint n
WHERE n.conrelid = ANY ($1::oid[]) AND n.contype IN ('f', 'c', 'x') AND n.conparentid = 0
UNION ALL
SELECT t.tgrelid, 'trigger', NULL, t.tgname::text,
    pg_get_triggerdef(t.oid) || CASE t.tgenabled WHEN 'O' THEN '' WHEN 'D' THEN ', disabled' WHEN 'A' THEN ', always' ELSE ', replica' END,
    pg_get_triggerdef(t.oid)
FROM pg_trigger t
WHERE t.tgrelid = ANY ($1::oid[]) AND NOT t.tgisinternal AND t.tgparentid = 0 AND NOT starts_with(t.tgname::text, 'mover_guard_')
UNION ALL
SELECT r.ev_class, 'rule', NULL, r.rulename::text, rtrim(pg_get_ruledef(r.oid), ';'), rtrim(pg_get_ruledef(r.oid), ';')
FROM pg_rewrite r
WHERE r.ev_class = ANY ($1::oid[]) AND r.rulename <> '_RETURN'
UNION ALL
SELECT a.attrelid, 'default', a.attname::text, a.attname::text, format('%I %s', a.attname, pg_get_expr(d.adbin, d.adrelid)),
    format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT %s', a.attrelid::regclass, a.attname, pg_get_expr(d.adbin, d.adrelid))
FROM pg_attribute a
JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
-- Columns that a sequence fills are compared with their sequences.
WHERE a.attrelid = ANY ($1::oid[]) AND a.attgenerated = '' AND pg_get_expr(d.adbin, d.adrelid) NOT LIKE 'nextval(%'
UNION ALL
SELECT a.attrelid, 'NOT NULL', a.attname::text, a.attname::text, format('%I', a.attname),
    format('ALTER TABLE %s ALTER COLUMN %I SET NOT NULL', a.attrelid::regclass, a.attname)
FROM pg_attribute a
WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull
UNION ALL
SELECT n.conrelid, 'primary key', NULL, n.conname::text, pg_get_constraintdef(n.oid), format('%I', n.conname)
FROM pg_constraint n
WHERE n.conrelid = ANY ($1::oid[]) AND n.contype = 'p'
ORDER BY 1, 2, 4
