-- The columns, by number, that have no unique index of their own: a row could be found through two parents.
SELECT pointed.number
FROM unnest($1::oid[], $2::text[]) WITH ORDINALITY AS pointed (oid, name, number)
WHERE NOT EXISTS (
    SELECT FROM pg_index i
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = pointed.oid AND a.attname = pointed.name
      AND i.indisunique AND i.indisvalid AND i.indnkeyatts = 1 AND i.indpred IS NULL
)
ORDER BY 1
