-- From now on the triggers look at every write, also of transactions that are open.
SELECT setval('mover.guard_active', 1) WHERE pg_sequence_last_value('mover.guard_active'::regclass) IS NULL
