INSERT INTO global_groups (org_id, name)
SELECT p.id, p.name || suffix FROM seed_plan p, unnest(ARRAY['_global_admins', '_read_access_group']) suffix
