-- $1: seed, $2: number of users. Users are assigned to the groups in turn, so no pair occurs twice.
INSERT INTO group_members
SELECT md5(format('%s/group/%s/%s', $1::bigint, p.number, k % p.groups))::uuid,
       md5(format('%s/user/%s', $1::bigint, (p.number * 37 + k / p.groups) % $2::int))::uuid
  FROM seed_plan p, generate_series(0, p.members - 1) k
 WHERE p.groups > 0
