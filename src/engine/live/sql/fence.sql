-- Where the org stands, and that whoever comes with an older epoch is refused from now on. No row: somebody newer was here.
INSERT INTO mover.org_guard AS guard (migration, org_key, mode, epoch)
VALUES ($1, $2, 'settled', $3)
ON CONFLICT (migration, org_key) DO UPDATE
SET epoch = excluded.epoch, changed_at = now()
WHERE guard.epoch <= excluded.epoch
RETURNING guard.mode
