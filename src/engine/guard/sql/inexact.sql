-- The columns, by number, whose collation treats differently written texts as equal.
SELECT pointed.number
FROM unnest($1::oid[], $2::text[]) WITH ORDINALITY AS pointed (oid, name, number)
JOIN pg_attribute a ON a.attrelid = pointed.oid AND a.attname = pointed.name
JOIN pg_collation c ON c.oid = a.attcollation
WHERE NOT c.collisdeterministic
ORDER BY 1
