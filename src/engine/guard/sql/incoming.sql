-- Which of these orgs are copies that nobody newer has touched.
SELECT g.org_key
FROM unnest($2::text[], $3::bigint[]) AS claimed (org_key, epoch)
JOIN mover.org_guard g ON g.migration = $1 AND g.org_key = claimed.org_key
WHERE g.mode = 'incoming' AND g.epoch <= claimed.epoch
