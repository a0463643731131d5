-- Runs whose steps are given from elsewhere: which command a step has given, so that whoever goes on with the run finds it
-- again and does not give it twice.
ALTER TABLE mover.runbook_step ADD COLUMN command bigint;
-- Who carries a run out: the hash of a secret that only they know. Whoever was away for long enough to be taken for dead learns by it that
-- somebody else has gone on.
ALTER TABLE mover.runbook_run ADD COLUMN holder bytea;
