-- Steps are written thousands of times a second. So the row is narrow, no index knows the step (such an update stays
-- on its page, which keeps room for it), and node and campaign are not foreign keys, whose checks would lock the
-- campaign's row for each org.
CREATE TABLE mover.org_migration_state (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    epoch       bigint NOT NULL DEFAULT 0 CHECK (epoch >= 0),
    campaign    bigint,
    -- The last campaign whose selection named this org.
    chosen_by   bigint,
    rows        bigint CHECK (rows >= 0),
    bytes       bigint CHECK (bytes >= 0),
    captured_at timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    closed_at   timestamptz,
    opened_at   timestamptz,
    finished_at timestamptz,
    -- Who holds it while it is started; null there: its process was replaced by another of the same name.
    node        integer,
    attempts    integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    strategy    text COLLATE "C" NOT NULL CHECK (strategy IN ('offline')),
    state       text COLLATE "C" NOT NULL DEFAULT 'holding'
        CHECK (state IN ('holding', 'ready', 'started', 'migrated', 'failed')),
    step        text COLLATE "C"
        CHECK (step IN ('block', 'drain', 'copy', 'verify', 'switch', 'unblock', 'abort')),
    migration   text COLLATE "C" NOT NULL CHECK (migration <> ''),
    org_name    text COLLATE "C" NOT NULL CHECK (org_name <> ''),
    org_key     text COLLATE "C" NOT NULL CHECK (org_key <> ''),
    verified    jsonb,
    failure     jsonb,
    CONSTRAINT org_migration_state_key UNIQUE (migration, org_key),
    CONSTRAINT org_migration_state_name UNIQUE (migration, org_name),
    CONSTRAINT step_while_started CHECK ((state = 'started') = (step IS NOT NULL)),
    CONSTRAINT failure_when_aborting_or_failed
        CHECK ((failure IS NOT NULL) = (state = 'failed' OR coalesce(step = 'abort', false))),
    CONSTRAINT verified_from_the_switch_on
        CHECK ((verified IS NOT NULL) = (state = 'migrated' OR coalesce(step IN ('switch', 'unblock'), false))),
    CONSTRAINT claimed_once_started
        CHECK (state IN ('holding', 'ready') OR (epoch > 0 AND campaign IS NOT NULL AND attempts > 0)),
    CONSTRAINT finished_has_a_time CHECK ((state IN ('migrated', 'failed')) = (finished_at IS NOT NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

-- A 503 is per org: while one migration moves it, no other may.
CREATE UNIQUE INDEX org_migration_state_in_flight ON mover.org_migration_state (org_name) WHERE state = 'started';
-- Claims, pages of a list and counts.
CREATE INDEX org_migration_state_by_state ON mover.org_migration_state (migration, state, id);
-- Claims of a campaign that names its orgs.
CREATE INDEX org_migration_state_chosen ON mover.org_migration_state (chosen_by, id)
    WHERE state = 'ready' AND chosen_by IS NOT NULL;
-- How many have lately come through.
CREATE INDEX org_migration_state_lately ON mover.org_migration_state (migration, finished_at)
    WHERE state = 'migrated';

CREATE FUNCTION mover.refuse_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'org % of migration % cannot go from % % (epoch %) to % % (epoch %)',
        OLD.org_name, OLD.migration, OLD.state, coalesce(OLD.step, ''), OLD.epoch,
        NEW.state, coalesce(NEW.step, ''), NEW.epoch
        USING ERRCODE = 'check_violation', CONSTRAINT = 'legal_transition';
END
$$;

-- The state machine's legal transitions once more. As a condition of the trigger it costs nothing while it holds.
CREATE TRIGGER legal_transition
BEFORE UPDATE ON mover.org_migration_state
FOR EACH ROW
WHEN (
    NEW.epoch < OLD.epoch
    OR NEW.strategy <> OLD.strategy
    OR NOT coalesce(
        CASE OLD.state
            WHEN 'holding' THEN NEW.state IN ('holding', 'ready')
            WHEN 'ready' THEN NEW.state = 'ready'
                OR (NEW.state = 'started' AND NEW.step = 'block' AND NEW.epoch > OLD.epoch)
            WHEN 'started' THEN CASE OLD.step
                WHEN 'block' THEN NEW.step IN ('block', 'drain', 'abort')
                WHEN 'drain' THEN NEW.step IN ('drain', 'copy', 'abort')
                WHEN 'copy' THEN NEW.step IN ('copy', 'verify', 'abort')
                WHEN 'verify' THEN NEW.step IN ('verify', 'switch', 'abort')
                WHEN 'switch' THEN NEW.step IN ('switch', 'unblock')
                WHEN 'unblock' THEN NEW.step = 'unblock' OR NEW.state = 'migrated'
                WHEN 'abort' THEN NEW.step = 'abort' OR NEW.state = 'failed'
            END
            WHEN 'migrated' THEN NEW.state = 'migrated'
            WHEN 'failed' THEN NEW.state IN ('failed', 'ready')
        END,
        false
    )
)
EXECUTE FUNCTION mover.refuse_transition();

-- Append only. No foreign key: an event is written by the statement that changes its move.
CREATE TABLE mover.org_migration_event (
    move_id    bigint NOT NULL,
    id         bigint GENERATED ALWAYS AS IDENTITY,
    at         timestamptz NOT NULL DEFAULT now(),
    epoch      bigint NOT NULL,
    node       integer,
    from_state text COLLATE "C" NOT NULL,
    from_step  text COLLATE "C",
    to_state   text COLLATE "C" NOT NULL,
    to_step    text COLLATE "C",
    -- The operator; null: the node itself.
    actor      text,
    detail     jsonb,
    PRIMARY KEY (move_id, id)
);

CREATE FUNCTION mover.refuse_rewriting_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the history of moves is append only' USING ERRCODE = 'check_violation';
END
$$;

CREATE TRIGGER append_only
BEFORE UPDATE OR DELETE OR TRUNCATE ON mover.org_migration_event
FOR EACH STATEMENT EXECUTE FUNCTION mover.refuse_rewriting_history();
