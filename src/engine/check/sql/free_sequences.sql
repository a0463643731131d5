-- Sequences of users that no column owns or names in its default: triggers and applications may draw from them.
SELECT
    n.nspname::text AS schema,
    c.relname::text AS name,
    q.seqincrement AS increment,
    q.seqmin AS least,
    q.seqmax AS greatest,
    q.seqcycle AS cycles,
    -- Null if no number was ever drawn.
    pg_sequence_last_value(c.oid) AS last,
    q.seqstart AS start
FROM pg_sequence q
JOIN pg_class c ON c.oid = q.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'mover') AND n.nspname NOT LIKE 'pg\_%'
  -- Only CASE keeps Postgres from asking that of a table.
  AND CASE WHEN c.relkind = 'S' AND has_schema_privilege(n.oid, 'USAGE') THEN has_sequence_privilege(c.oid, 'SELECT, USAGE') END
  AND NOT EXISTS (
      SELECT FROM pg_depend d
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND (d.deptype IN ('i', 'e') OR d.deptype = 'a' AND d.refobjsubid > 0)
  )
  AND NOT EXISTS (
      SELECT FROM pg_depend d
      WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.classid = 'pg_attrdef'::regclass
  )
ORDER BY 1, 2
