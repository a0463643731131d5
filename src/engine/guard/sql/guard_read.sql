SELECT mode, epoch FROM mover.org_guard WHERE migration = $1 AND org_key = $2
