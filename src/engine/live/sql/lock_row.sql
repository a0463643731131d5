-- Nobody else changes the copy of the org until the transaction ends.
SELECT mode, epoch FROM mover.org_guard WHERE migration = $1 AND org_key = $2 FOR UPDATE
