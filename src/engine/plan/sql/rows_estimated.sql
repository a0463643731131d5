-- About how many rows these tables have, from the statistics of vacuum and analyze; null if one of them has none yet.
SELECT CASE WHEN bool_and(c.reltuples >= 0) THEN sum(c.reltuples::float8)::int8 END
FROM pg_catalog.pg_class c
WHERE c.relkind <> 'p'
  AND c.oid IN (
      SELECT t.oid FROM unnest($1::oid[]) AS t (oid)
      UNION
      SELECT p.relid FROM unnest($1::oid[]) AS t (oid), pg_catalog.pg_partition_tree(t.oid) AS p
  )
