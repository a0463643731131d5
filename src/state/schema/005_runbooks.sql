-- Runs of runbooks, step by step.
CREATE TABLE mover.runbook_run (
    id          bigint      PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    title       text        NOT NULL,
    file        text        NOT NULL,
    -- The whole text. What is resumed or rolled back is what was begun, whatever the file says by then.
    source      text        NOT NULL,
    variables   jsonb       NOT NULL,
    begun_by    text        NOT NULL,
    begun_at    timestamptz NOT NULL DEFAULT now(),
    -- Whether all its steps are done, and those of its rollback.
    done_at     timestamptz,
    undone_at   timestamptz
);

CREATE TABLE mover.runbook_step (
    run      bigint      NOT NULL REFERENCES mover.runbook_run,
    rollback boolean     NOT NULL,
    number   integer     NOT NULL CHECK (number >= 1),
    -- begun without an end: whoever did it has died, or is at it
    state    text        COLLATE "C" NOT NULL CHECK (state IN ('begun', 'done', 'failed', 'skipped')),
    campaign bigint      REFERENCES mover.campaign,
    told     text        NOT NULL DEFAULT '',
    actor    text        NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    PRIMARY KEY (run, rollback, number),
    CHECK ((state = 'begun') = (ended_at IS NULL))
);
