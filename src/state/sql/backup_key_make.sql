-- Keeps a new key unless there is one.
INSERT INTO mover.backup_key (secret) VALUES ($1) ON CONFLICT DO NOTHING
