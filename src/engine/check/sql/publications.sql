-- The publications that send deletes of the moved tables $1 to their subscribers, each with the number of these tables.
SELECT
    b.pubname::text AS name,
    count(DISTINCT m.root) AS tables,
    format(
        'ALTER PUBLICATION %I SET (publish = ''%s'')', b.pubname,
        concat_ws(', ', CASE WHEN b.pubinsert THEN 'insert' END, CASE WHEN b.pubupdate THEN 'update' END, CASE WHEN b.pubtruncate THEN 'truncate' END)
    ) AS sql
FROM pg_publication b
CROSS JOIN LATERAL pg_get_publication_tables(b.pubname::text) AS t
JOIN (
    SELECT root, root FROM unnest($1::oid[]) AS root
    UNION
    SELECT root, tree.relid FROM unnest($1::oid[]) AS root CROSS JOIN LATERAL pg_partition_tree(root) tree
) AS m (root, oid) ON m.oid = t.relid
WHERE b.pubdelete
GROUP BY b.oid, b.pubname, b.pubinsert, b.pubupdate, b.pubtruncate
ORDER BY 1
