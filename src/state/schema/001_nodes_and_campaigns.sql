-- Every claim, take-over and change of desired flags takes the next number, so a newer decision always has a higher
-- one. No cache: a number handed out later must be higher in whichever session.
CREATE SEQUENCE mover.epoch_seq AS bigint CACHE 1;

CREATE TABLE mover.node (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text COLLATE "C" NOT NULL UNIQUE CHECK (name <> ''),
    lease_until timestamptz NOT NULL,
    joined_at   timestamptz NOT NULL DEFAULT now(),
    left_at     timestamptz
) WITH (fillfactor = 50);

-- A node lives while its lease runs and its process holds the advisory lock (1297044070, id): the lease notices a
-- process that hangs, the lock one that was killed, at once.
CREATE VIEW mover.node_liveness AS
SELECT n.id,
       n.name,
       n.lease_until,
       n.joined_at,
       n.left_at,
       n.left_at IS NULL
           AND n.lease_until > now()
           AND EXISTS (
               SELECT FROM pg_catalog.pg_locks l
               WHERE l.locktype = 'advisory'
                 AND l.granted
                 AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
                 AND l.classid = 1297044070
                 AND l.objid = n.id::oid
                 AND l.objsubid = 2
           ) AS alive
FROM mover.node n;

CREATE TABLE mover.campaign (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    claimed       bigint NOT NULL DEFAULT 0 CHECK (claimed >= 0),
    migrated      bigint NOT NULL DEFAULT 0 CHECK (migrated >= 0),
    failed        bigint NOT NULL DEFAULT 0 CHECK (failed >= 0),
    -- How many orgs it may claim, where its selection says so.
    claimed_max   bigint CHECK (claimed_max >= 0),
    sleep_time_ms bigint NOT NULL CHECK (sleep_time_ms >= 0),
    pace_ms       bigint NOT NULL CHECK (pace_ms >= 0),
    concurrency   bigint NOT NULL CHECK (concurrency > 0),
    failures_max  bigint CHECK (failures_max >= 0),
    opened_at     timestamptz NOT NULL DEFAULT now(),
    ended_at      timestamptz,
    node          integer NOT NULL REFERENCES mover.node,
    error_halts   boolean NOT NULL,
    phase         text COLLATE "C" NOT NULL DEFAULT 'running'
        CHECK (phase IN ('running', 'paused', 'halting', 'ended')),
    migration     text COLLATE "C" NOT NULL CHECK (migration <> ''),
    reason        text,
    selection     jsonb NOT NULL,
    CONSTRAINT ended_has_a_time CHECK ((phase = 'ended') = (ended_at IS NOT NULL)),
    CONSTRAINT claims_stay_in_bounds CHECK (claimed <= claimed_max),
    CONSTRAINT ends_follow_claims CHECK (migrated + failed <= claimed)
) WITH (fillfactor = 50);

CREATE UNIQUE INDEX campaign_one_live ON mover.campaign ((true)) WHERE phase <> 'ended';
