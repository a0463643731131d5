-- Captures of one migration come one after the other, so that they cannot deadlock over each other's orgs.
SELECT pg_advisory_xact_lock(1297044071, hashtext($1))
