-- $1: seed
INSERT INTO org_user_invites (org_id, email, status, sent_at)
SELECT p.id, format('guest_%s@%s.example.org', k, replace(p.name, '_', '-')),
       (enum_range(NULL::invite_status))[1 + (h.hash & 3)],
       timestamptz '2024-01-01 00:00+00' + make_interval(secs => h.hash & 33554431)
  FROM seed_plan p, generate_series(1, p.invites) k,
       LATERAL (SELECT hashint8extended(p.number * 1000003::bigint + k, $1::bigint) AS hash) h
