CREATE TYPE mood AS ENUM ('sad', 'ok', 'Happy');
CREATE TABLE orgs (id int PRIMARY KEY, name text);
CREATE TABLE accounts (
    org int NOT NULL, id bigserial, email text UNIQUE, m mood, touched int NOT NULL DEFAULT 0, PRIMARY KEY (org, id)
);
CREATE TABLE groups (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), org int NOT NULL, name text, UNIQUE (org, name));
CREATE INDEX ON groups (org);
CREATE TABLE members (
    group_id uuid NOT NULL REFERENCES groups ON DELETE CASCADE ON UPDATE CASCADE,
    since timestamptz NOT NULL, role text, PRIMARY KEY (since, group_id)
);
CREATE INDEX ON members (group_id);
CREATE TABLE remarks (
    id text PRIMARY KEY, group_id uuid NOT NULL REFERENCES groups ON DELETE CASCADE ON UPDATE CASCADE, body text
);
CREATE INDEX ON remarks (group_id);
CREATE TABLE lines (id serial PRIMARY KEY, remark text NOT NULL REFERENCES remarks ON DELETE CASCADE ON UPDATE CASCADE, n int);
CREATE INDEX ON lines (remark);
CREATE TABLE events (id bigint PRIMARY KEY, org int NOT NULL, what text, at timestamptz DEFAULT now()) PARTITION BY HASH (id);
CREATE TABLE events_0 PARTITION OF events FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE events_1 PARTITION OF events FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE INDEX ON events (org);
