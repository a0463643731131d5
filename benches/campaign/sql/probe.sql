-- As many rows as a campaign has orgs, in two tables, with free space on each page as in the move log.
DROP TABLE IF EXISTS probe, probe_too;
CREATE TABLE probe (id integer PRIMARY KEY, n integer NOT NULL) WITH (fillfactor = 70);
CREATE TABLE probe_too (id integer PRIMARY KEY, n integer NOT NULL) WITH (fillfactor = 70);
INSERT INTO probe SELECT id, 0 FROM generate_series(1, 20000) AS id;
INSERT INTO probe_too SELECT id, 0 FROM generate_series(1, 20000) AS id;
ANALYZE probe, probe_too;
