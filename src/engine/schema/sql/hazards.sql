-- What would change Mover's own writes, write unseen, or not hold for Mover's rows, on the moved tables $1 and their partitions:
-- one row each, with the statement that ends it.
WITH member (root, oid) AS (
    SELECT root, root FROM unnest($1::oid[]) AS root
    UNION
    SELECT root, tree.relid FROM unnest($1::oid[]) AS root CROSS JOIN LATERAL pg_partition_tree(root) tree
),
place AS (
    SELECT m.root, c.oid, c.relpersistence, format('%I.%I', n.nspname, c.relname) AS name
    FROM member m JOIN pg_class c ON c.oid = m.oid JOIN pg_namespace n ON n.oid = c.relnamespace
)
SELECT
    p.root AS table_oid, p.name AS place, 'trigger' AS kind, t.tgname::text AS name,
    CASE t.tgenabled WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END AS detail,
    format('ALTER TABLE %s %s TRIGGER %I', p.name, CASE t.tgenabled WHEN 'A' THEN 'ENABLE' ELSE 'DISABLE' END, t.tgname) AS sql
FROM place p
JOIN pg_trigger t ON t.tgrelid = p.oid
LEFT JOIN pg_trigger above ON above.oid = t.tgparentid
WHERE t.tgenabled IN ('A', 'R') AND above.tgenabled IS DISTINCT FROM t.tgenabled
  AND NOT starts_with(t.tgname::text, 'mover_guard_')
UNION ALL
SELECT
    p.root, p.name, 'rule', r.rulename::text, CASE r.ev_enabled WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END,
    format('ALTER TABLE %s %s RULE %I', p.name, CASE r.ev_enabled WHEN 'A' THEN 'ENABLE' ELSE 'DISABLE' END, r.rulename)
FROM place p
JOIN pg_rewrite r ON r.ev_class = p.oid
WHERE r.rulename <> '_RETURN' AND r.ev_enabled IN ('A', 'R')
UNION ALL
SELECT p.root, p.name, 'subscription', s.subname::text, NULL, format('ALTER SUBSCRIPTION %I DISABLE', s.subname)
FROM place p
JOIN pg_subscription_rel r ON r.srrelid = p.oid
JOIN pg_subscription s ON s.oid = r.srsubid
WHERE s.subenabled
UNION ALL
SELECT p.root, p.name, 'unlogged', NULL, NULL, format('ALTER TABLE %s SET LOGGED', p.name)
FROM place p
WHERE p.relpersistence = 'u'
UNION ALL
-- Deferred unique constraints are verified after a copy.
SELECT
    p.root, p.name, 'exclusion', k.conname::text, NULL,
    format(
        'ALTER TABLE %s DROP CONSTRAINT %I, ADD CONSTRAINT %2$I %s', p.name, k.conname,
        regexp_replace(pg_get_constraintdef(k.oid), ' DEFERRABLE( INITIALLY DEFERRED)?', '')
    )
FROM place p
JOIN pg_constraint k ON k.conrelid = p.oid
WHERE k.contype = 'x' AND k.condeferrable
UNION ALL
SELECT
    p.root, p.name, 'identity', NULL, CASE c.relreplident WHEN 'n' THEN 'NOTHING' WHEN 'i' THEN 'of an index' ELSE 'of the primary key' END,
    format('ALTER TABLE %s REPLICA IDENTITY FULL', p.name)
FROM place p
JOIN pg_class c ON c.oid = p.oid
WHERE c.relkind = 'r'
  AND (
      c.relreplident = 'n'
      OR c.relreplident = 'd' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate)
      OR c.relreplident = 'i' AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident)
  )
  AND EXISTS (
      SELECT FROM pg_publication b
      WHERE b.pubdelete AND EXISTS (SELECT FROM pg_get_publication_tables(b.pubname::text) AS t WHERE t.relid IN (p.oid, p.root))
  )
ORDER BY 1, 2, 3, 4
