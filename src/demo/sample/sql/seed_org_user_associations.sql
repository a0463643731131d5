-- $1: seed, $2: number of users. Neighbours in the list of users, so no pair occurs twice.
INSERT INTO org_user_associations
SELECT p.id, md5(format('%s/user/%s', $1::bigint, (p.number * 37 + k) % $2::int))::uuid
  FROM seed_plan p, generate_series(0, p.associations - 1) k
