-- How often each of these writes exists, and the effect of its touch.
SELECT (SELECT count(*) FROM client_writes w
         WHERE w.org_id = k.org_id AND w.client = k.client AND w.seq = k.seq) AS writes,
       (SELECT count(*) FROM containers c WHERE c.org_id = k.org_id AND c.name = k.container) AS containers
  FROM unnest($1::uuid[], $2::int[], $3::bigint[], $4::text[])
       WITH ORDINALITY AS k (org_id, client, seq, container, position)
 ORDER BY k.position
