-- How many rows of each table every org gets, computed by the program. `number` counts orgs from 1.
CREATE TEMPORARY TABLE seed_plan (
    number       integer PRIMARY KEY,
    id           uuid    NOT NULL,
    name         text    NOT NULL,
    associations integer NOT NULL,
    invites      integer NOT NULL,
    groups       integer NOT NULL,
    members      integer NOT NULL,
    containers   integer NOT NULL,
    nodes        integer NOT NULL,
    cookbooks    integer NOT NULL
);
