-- The other store of a migration that is guarded here.
INSERT INTO mover.guard_side AS known (migration, other_store) VALUES ($1, $2)
ON CONFLICT (migration) DO UPDATE SET other_store = excluded.other_store
WHERE known.other_store <> excluded.other_store
