CREATE TYPE mood AS ENUM ('sad', 'ok', 'Happy');
CREATE TABLE orgs (id int PRIMARY KEY, name text);
INSERT INTO orgs SELECT n, 'org ' || n FROM generate_series(1, 5) n;

CREATE TABLE notes (id int PRIMARY KEY, org int NOT NULL, body text);

-- Members and files are found through groups, badges through members, stickers through badges.
CREATE TABLE groups (id uuid PRIMARY KEY, org int NOT NULL, code text UNIQUE, name text);
CREATE TABLE members (id int PRIMARY KEY, group_id uuid REFERENCES groups ON DELETE CASCADE ON UPDATE CASCADE, role text);
CREATE TABLE files (path text PRIMARY KEY, group_code text REFERENCES groups (code) ON DELETE SET NULL ON UPDATE CASCADE);
CREATE TABLE badges (id int PRIMARY KEY, member int REFERENCES members ON DELETE CASCADE ON UPDATE CASCADE, body text);
CREATE TABLE stickers (id int PRIMARY KEY, badge int REFERENCES badges ON DELETE CASCADE ON UPDATE CASCADE);
CREATE INDEX ON members (group_id);
CREATE INDEX ON badges (member);
CREATE INDEX ON stickers (badge);

CREATE TABLE events (id bigint, org int NOT NULL, at date, what text, PRIMARY KEY (at, id, org)) PARTITION BY RANGE (at);
CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
-- A partition whose columns have another order, and which has partitions of its own.
CREATE TABLE events_2026 (what text, at date NOT NULL, org int NOT NULL, id bigint NOT NULL) PARTITION BY LIST (org);
ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE events_2026_1 PARTITION OF events_2026 FOR VALUES IN (1);
CREATE TABLE events_2026_others PARTITION OF events_2026 DEFAULT;

CREATE SCHEMA "Odd {schema}";
CREATE TABLE "Odd {schema}"."{rows} ""T"" 'x' $mover$ %s" (
    "Key {migration}" text, "é {orgs}" int, "Org Id" text NOT NULL, "a'b" text, PRIMARY KEY ("é {orgs}", "Key {migration}")
);

CREATE TABLE kinds (
    u uuid, t timestamptz, b bytea, n numeric, m mood, f float8, i interval, d date, org int,
    PRIMARY KEY (org, u, t, b, n, m, f, i, d)
);
CREATE TABLE collated (a text COLLATE "C", b text COLLATE "POSIX", c varchar(10), org int, PRIMARY KEY (a, b, c));
