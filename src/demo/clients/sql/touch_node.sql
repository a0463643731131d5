UPDATE nodes
   SET body = jsonb_set(body, '{touched_by}', to_jsonb($3::text)), updated_at = clock_timestamp()
 WHERE id = (SELECT id FROM nodes WHERE org_id = $1 AND name >= $2 ORDER BY name LIMIT 1)
