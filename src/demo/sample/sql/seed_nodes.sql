-- $1: seed, $2: noise to cut texts from, $3: bytes of noise in a body, on average.
-- Half of the bodies are small, one in sixteen has six times the average and so is stored out of line.
INSERT INTO nodes
SELECT md5(format('%s/node/%s/%s', $1::bigint, p.number, k))::uuid, p.id, 'node-' || lpad(k::text, 6, '0'),
       (ARRAY['production', 'staging', 'development', NULL])[1 + (h.hash & 3)],
       ARRAY['recipe[base]', format('recipe[app_%s]', (h.hash >> 2) & 31), format('role[zone_%s]', (h.hash >> 7) & 7)],
       jsonb_build_object(
           'platform', (ARRAY['debian', 'ubuntu', 'rocky', 'freebsd'])[1 + ((h.hash >> 10) & 3)],
           'cpu', jsonb_build_object('total', 1 << (((h.hash >> 12) & 7)::int), 'mhz', 1800 + ((h.hash >> 15) & 2047)),
           'uptime_s', (h.hash >> 26) & 16777215,
           'addresses', jsonb_build_array(format('10.%s.%s.%s', h.hash & 255, (h.hash >> 8) & 255, (h.hash >> 16) & 255)),
           'facts', encode(substring($2::bytea FROM 1 + (((h.hash >> 20) & 65535)::int) FOR
               ($3::int * 0.64 * CASE WHEN (h.hash >> 36) & 15 = 0 THEN 6 WHEN (h.hash >> 36) & 1 = 0 THEN 1.3 ELSE 0.45 END)::int
           ), 'base64')),
       timestamptz '2024-06-01 00:00+00' + make_interval(secs => (h.hash >> 8) & 16777215)
  FROM seed_plan p, generate_series(1, p.nodes) k,
       LATERAL (SELECT hashint8extended(p.number * 1000003::bigint + k, $1::bigint + 1) AS hash) h
