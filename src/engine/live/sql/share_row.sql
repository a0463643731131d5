-- Nobody newer comes in until the transaction ends; others with the same claim may copy at the same time.
SELECT mode, epoch FROM mover.org_guard WHERE migration = $1 AND org_key = $2 FOR SHARE
