-- The newest epoch that the guard has seen in each migration.
SELECT g.migration, max(g.epoch) AS epoch FROM mover.org_guard g GROUP BY g.migration
