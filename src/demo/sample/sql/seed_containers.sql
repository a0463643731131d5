-- $1: seed
INSERT INTO containers (org_id, name, acl)
SELECT p.id, (ARRAY['clients', 'cookbooks', 'data', 'environments', 'nodes', 'roles'])[1 + k % 6] || '/' || k,
       jsonb_build_object('create', jsonb_build_array('admins'), 'read', jsonb_build_array('admins', 'users'),
                          'grant', jsonb_build_array('admins'), 'by', $1::bigint % 1000)
  FROM seed_plan p, generate_series(1, p.containers) k
