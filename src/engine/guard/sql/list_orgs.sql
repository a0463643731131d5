-- Orgs without a row live here.
INSERT INTO mover.org_guard (migration, org_key, mode, epoch)
SELECT $1, listed.org_key, 'settled', 0 FROM unnest($2::text[]) AS listed (org_key)
ON CONFLICT DO NOTHING
