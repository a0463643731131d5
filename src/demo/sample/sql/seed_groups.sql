-- $1: seed
INSERT INTO groups
SELECT md5(format('%s/group/%s/%s', $1::bigint, p.number, k))::uuid, p.id,
       CASE k WHEN 0 THEN 'admins' WHEN 1 THEN 'users' ELSE 'team ' || k END
  FROM seed_plan p, generate_series(0, p.groups - 1) k
