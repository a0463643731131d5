-- $1: seed, $2: number of users
INSERT INTO users
SELECT md5(format('%s/user/%s', $1::bigint, n))::uuid, 'user_' || n, 'user_' || n || '@example.com'
  FROM generate_series(0, $2::int - 1) n
