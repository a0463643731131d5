-- Hashes with which an operator blocks an org, or a whole kind of endpoints.
SELECT d.key, fields.name AS field
FROM mover.desired_flags d
CROSS JOIN LATERAL jsonb_each_text(d.base) AS fields (name, value)
WHERE (d.base::text LIKE '%503_mode": "true"%' OR d.base::text LIKE '%disable_new_orgs": "true"%')
  AND (fields.name LIKE '%503_mode' OR fields.name = 'disable_new_orgs') AND fields.value = 'true'
ORDER BY d.key, fields.name
LIMIT $1
