-- Both stores are written at the same time, each by its own orgs: they must never return the same id.
ALTER SEQUENCE containers_id_seq RESTART WITH 1000000000000;
ALTER TABLE org_user_invites ALTER COLUMN id RESTART WITH 1000000000000;
ALTER TABLE cookbooks ALTER COLUMN id RESTART WITH 1000000000000;
