-- What a Mover that serves many people keeps: who may come in, and what each of them commanded.
CREATE TABLE mover.token (
    id         integer     PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    name       text        NOT NULL CHECK (name <> ''),
    -- SHA-256. The token itself has 256 random bits, so nothing slower is needed.
    hash       bytea       NOT NULL UNIQUE CHECK (octet_length(hash) = 32),
    role       text        COLLATE "C" NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text        NOT NULL,
    expires_at timestamptz,
    revoked_at timestamptz,
    revoked_by text,
    CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);

-- The audit names people by the name of their token, so a name is never given twice.
CREATE UNIQUE INDEX token_name ON mover.token (name);

ALTER TABLE mover.command_history
    -- From where it came, if it came over the network.
    ADD COLUMN origin      text,
    -- The whole answer, for whoever follows the command.
    ADD COLUMN answer      jsonb,
    ADD COLUMN campaign    bigint,
    -- Somebody else has to agree before it is carried out.
    ADD COLUMN waits       boolean NOT NULL DEFAULT false,
    ADD COLUMN approved    boolean,
    ADD COLUMN approved_by text,
    ADD COLUMN approved_at timestamptz,
    ADD CHECK ((approved IS NULL) = (approved_by IS NULL)),
    ADD CHECK ((approved IS NULL) = (approved_at IS NULL)),
    ADD CHECK (approved IS NULL OR waits),
    ADD CHECK (NOT approved OR approved_by <> actor);

-- Those that wait, however old they are.
CREATE INDEX command_history_waiting ON mover.command_history (id)
    WHERE waits AND approved IS NULL AND ended_at IS NULL;

CREATE FUNCTION mover.refuse_rewriting_commands() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the history of commands is append only' USING ERRCODE = 'check_violation';
END
$$;

CREATE TRIGGER append_only
BEFORE DELETE OR TRUNCATE ON mover.command_history
FOR EACH STATEMENT EXECUTE FUNCTION mover.refuse_rewriting_commands();

-- What came of a command is added once; what was commanded, by whom and when stays.
CREATE TRIGGER only_ends_are_added
BEFORE UPDATE ON mover.command_history
FOR EACH ROW
WHEN (
    OLD.ended_at IS NOT NULL
    OR (OLD.approved IS NOT NULL
        AND (NEW.approved, NEW.approved_by, NEW.approved_at) IS DISTINCT FROM (OLD.approved, OLD.approved_by, OLD.approved_at))
    OR (NEW.id, NEW.at, NEW.actor, NEW.door, NEW.origin, NEW.command, NEW.waits)
        IS DISTINCT FROM (OLD.id, OLD.at, OLD.actor, OLD.door, OLD.origin, OLD.command, OLD.waits)
)
EXECUTE FUNCTION mover.refuse_rewriting_commands();

-- For those who follow what happens. Events are only appended, so a few bytes for each range of pages are enough; writing a step
-- costs nothing more than before.
CREATE INDEX org_migration_event_by_id ON mover.org_migration_event USING brin (id)
    WITH (pages_per_range = 8, autosummarize = on);

-- Orgs that somebody waits for. They are claimed before the others.
ALTER TABLE mover.org_migration_state ADD COLUMN touched_at timestamptz;
CREATE INDEX org_migration_state_touched ON mover.org_migration_state (migration, touched_at)
    WHERE state = 'ready' AND touched_at IS NOT NULL;

-- Hashes of flags by which operators shut somebody out: few among those of all orgs. A text that only looks like it is no harm.
CREATE INDEX desired_flags_shut ON mover.desired_flags (key)
    WHERE base::text LIKE '%503_mode": "true"%' OR base::text LIKE '%disable_new_orgs": "true"%';
