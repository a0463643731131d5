-- Rows of orgs 1 to 3.
INSERT INTO orgs SELECT o, 'org ' || o FROM generate_series(1, 3) o;
INSERT INTO accounts (org, email, m) SELECT o, format('a%s@%s', i, o), 'ok' FROM generate_series(1, 3) o, generate_series(1, 60) i;
INSERT INTO groups (org, name) SELECT o, 'g' || i FROM generate_series(1, 3) o, generate_series(1, 12) i;
INSERT INTO members SELECT id, timestamptz '2024-02-29 12:00:00.123456+02' + i * interval '1 hour', 'r' FROM groups, generate_series(1, 5) i;
INSERT INTO remarks SELECT format('%s "ä", {%s}', name, org * 100 + i), id, 'remark' FROM groups, generate_series(1, 3) i;
INSERT INTO lines (remark, n) SELECT id, i FROM remarks, generate_series(1, 4) i;
INSERT INTO events SELECT o * 1000 + i, o, 'event' FROM generate_series(1, 3) o, generate_series(1, 50) i;
