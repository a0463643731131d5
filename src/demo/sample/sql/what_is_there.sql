-- Whether the schema is the sample's, and whether it has any tables.
SELECT coalesce(obj_description(n.oid, 'pg_namespace') = $1, false) AS ours,
       EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid) AS occupied
  FROM pg_namespace n
 WHERE n.nspname = 'public'
