SELECT count(*) FILTER (WHERE pg_advisory_unlock(mover.org_lock($1, asked.org_key))) FROM unnest($2::text[]) AS asked (org_key)
