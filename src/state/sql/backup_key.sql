-- The key that backups are signed with.
SELECT k.secret FROM mover.backup_key k
