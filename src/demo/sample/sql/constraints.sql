ALTER TABLE organizations ADD PRIMARY KEY (id), ADD UNIQUE (name);
ALTER TABLE users ADD PRIMARY KEY (id), ADD UNIQUE (username);

ALTER TABLE org_user_associations
    ADD PRIMARY KEY (org_id, user_id),
    ADD FOREIGN KEY (org_id) REFERENCES organizations (id),
    ADD FOREIGN KEY (user_id) REFERENCES users (id);
CREATE INDEX ON org_user_associations (user_id);

ALTER TABLE org_user_invites
    ADD PRIMARY KEY (id),
    ADD FOREIGN KEY (org_id) REFERENCES organizations (id);
CREATE INDEX ON org_user_invites (org_id);

ALTER TABLE global_groups
    ADD PRIMARY KEY (org_id, name),
    ADD FOREIGN KEY (org_id) REFERENCES organizations (id);

ALTER TABLE groups
    ADD PRIMARY KEY (id),
    ADD UNIQUE (org_id, name),
    ADD FOREIGN KEY (org_id) REFERENCES organizations (id);

ALTER TABLE group_members
    ADD PRIMARY KEY (group_id, user_id),
    ADD FOREIGN KEY (group_id) REFERENCES groups (id),
    ADD FOREIGN KEY (user_id) REFERENCES users (id);
CREATE INDEX ON group_members (user_id);

ALTER TABLE containers
    ADD PRIMARY KEY (id),
    ADD FOREIGN KEY (org_id) REFERENCES organizations (id);
-- Not unique, so that a duplicated row is detected.
CREATE INDEX ON containers (org_id, name);

ALTER TABLE nodes
    ADD PRIMARY KEY (id),
    ADD UNIQUE (org_id, name),
    ADD FOREIGN KEY (org_id) REFERENCES organizations (id);

ALTER TABLE cookbooks
    ADD PRIMARY KEY (id),
    ADD FOREIGN KEY (org_id) REFERENCES organizations (id);
CREATE INDEX ON cookbooks (org_id, name, version);

ALTER TABLE client_writes
    ADD PRIMARY KEY (org_id, client, seq),
    ADD FOREIGN KEY (org_id) REFERENCES organizations (id);
