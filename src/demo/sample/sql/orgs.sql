SELECT name, id FROM organizations ORDER BY name
