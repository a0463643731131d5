-- $1: seed
INSERT INTO cookbooks (org_id, name, version, checksum, size_bytes, frozen)
SELECT p.id, 'app_' || (k / 4), format('%s.%s.%s', 1 + k % 4, (h.hash >> 4) & 15, h.hash & 15),
       decode(md5(h.hash::text), 'hex'), ((h.hash >> 8) & 1073741823) / 8.0, (h.hash >> 3) & 1 = 0
  FROM seed_plan p, generate_series(0, p.cookbooks - 1) k,
       LATERAL (SELECT hashint8extended(p.number * 1000003::bigint + k, $1::bigint + 2) AS hash) h
