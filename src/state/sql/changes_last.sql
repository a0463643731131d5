-- The number of the latest event, committed or not.
SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS last FROM mover.org_migration_event_id_seq
