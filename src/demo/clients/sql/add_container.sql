INSERT INTO containers (org_id, name, acl) VALUES ($1, $2, '{"read": ["users"]}')
