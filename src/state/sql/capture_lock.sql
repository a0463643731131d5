-- Captures of one migration run one after the other, so that they cannot deadlock.
SELECT pg_advisory_xact_lock(1297044071, hashtext($1))
