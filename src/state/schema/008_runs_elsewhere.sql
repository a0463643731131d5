-- Runs whose steps are given from elsewhere: which command a step has given, so that whoever goes on with the run finds it
-- again and does not give it twice.
ALTER TABLE mover.runbook_step ADD COLUMN command bigint;
