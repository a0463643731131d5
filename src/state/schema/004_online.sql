-- The online strategy, the way back, and its end. What an org is claimed for decides which steps it goes through.
ALTER TABLE mover.campaign
    ADD COLUMN aim text COLLATE "C" NOT NULL DEFAULT 'migrate' CHECK (aim IN ('migrate', 'roll_back', 'finalize'));

ALTER TABLE mover.org_migration_state
    ADD COLUMN aim text COLLATE "C" NOT NULL DEFAULT 'migrate' CHECK (aim IN ('migrate', 'roll_back', 'finalize')),
    -- The file with the rows that were in the source, on the node that wrote it.
    ADD COLUMN backup text,
    DROP CONSTRAINT org_migration_state_strategy_check,
    ADD CHECK (strategy IN ('offline', 'online')),
    DROP CONSTRAINT org_migration_state_state_check,
    ADD CHECK (state IN ('holding', 'ready', 'started', 'migrated', 'failed', 'rolled_back', 'finalized')),
    DROP CONSTRAINT org_migration_state_step_check,
    ADD CHECK (step IN ('block', 'drain', 'capture', 'copy', 'catch_up', 'verify', 'switch', 'unblock', 'discard',
                        'back_up', 'close', 'purge', 'abort')),
    DROP CONSTRAINT verified_from_the_switch_on,
    -- Once verified, the proof stays as long as the org is not back at its beginning.
    ADD CONSTRAINT verified_from_the_switch_on
        CHECK (CASE
            WHEN state IN ('migrated', 'rolled_back', 'finalized') OR aim <> 'migrate' THEN verified IS NOT NULL
            WHEN step IN ('switch', 'unblock') THEN verified IS NOT NULL
            WHEN step = 'abort' THEN verified IS NULL OR strategy = 'online'
            ELSE verified IS NULL
        END),
    DROP CONSTRAINT failure_when_aborting_or_failed,
    -- An org whose way back was given up stays migrated, with the reason.
    ADD CONSTRAINT failure_when_aborting_or_failed
        CHECK (CASE
            WHEN state = 'failed' OR coalesce(step = 'abort', false) THEN failure IS NOT NULL
            ELSE failure IS NULL OR state = 'migrated'
        END),
    DROP CONSTRAINT finished_has_a_time,
    ADD CONSTRAINT finished_has_a_time
        CHECK ((state IN ('migrated', 'failed', 'rolled_back', 'finalized')) = (finished_at IS NOT NULL)),
    -- Rows are removed from the source only once a file holds them.
    ADD CONSTRAINT backed_up_before_purge
        CHECK (backup IS NOT NULL OR NOT (state = 'finalized' OR coalesce(step IN ('close', 'purge'), false)));

-- Claims of a campaign for orgs that have migrated, where it names them.
CREATE INDEX org_migration_state_chosen_migrated ON mover.org_migration_state (chosen_by, id)
    WHERE state = 'migrated' AND chosen_by IS NOT NULL;
DROP INDEX mover.org_migration_state_lately;
CREATE INDEX org_migration_state_lately ON mover.org_migration_state (migration, finished_at)
    WHERE finished_at IS NOT NULL;

DROP TRIGGER legal_transition ON mover.org_migration_state;

CREATE TRIGGER legal_transition
BEFORE UPDATE ON mover.org_migration_state
FOR EACH ROW
WHEN (
    NEW.epoch < OLD.epoch
    OR NEW.strategy <> OLD.strategy
    OR (NEW.aim <> OLD.aim AND NOT (OLD.state IN ('migrated', 'failed', 'rolled_back')))
    OR NOT coalesce(
        CASE OLD.state
            WHEN 'holding' THEN NEW.state IN ('holding', 'ready')
            WHEN 'ready' THEN NEW.state = 'ready'
                OR (NEW.state = 'started' AND NEW.epoch > OLD.epoch AND NEW.aim = 'migrate'
                    AND NEW.step = CASE NEW.strategy WHEN 'offline' THEN 'block' ELSE 'capture' END)
            WHEN 'started' THEN NEW.step = OLD.step OR CASE OLD.step
                WHEN 'block' THEN NEW.step IN ('drain', 'abort')
                WHEN 'drain' THEN NEW.step IN ('copy', 'abort')
                WHEN 'capture' THEN NEW.step IN ('copy', 'abort')
                WHEN 'copy' THEN NEW.step = 'abort'
                    OR NEW.step = CASE NEW.strategy WHEN 'offline' THEN 'verify' ELSE 'catch_up' END
                WHEN 'catch_up' THEN NEW.step IN ('verify', 'abort')
                WHEN 'verify' THEN NEW.step IN ('switch', 'abort')
                WHEN 'switch' THEN CASE NEW.strategy
                    WHEN 'offline' THEN NEW.step = 'unblock'
                    ELSE coalesce(NEW.step = 'abort', false) OR CASE NEW.aim
                        WHEN 'migrate' THEN NEW.state = 'migrated'
                        WHEN 'roll_back' THEN NEW.step = 'discard'
                    END
                END
                WHEN 'unblock' THEN NEW.state = 'migrated'
                WHEN 'discard' THEN NEW.state = 'rolled_back'
                WHEN 'back_up' THEN NEW.step IN ('close', 'abort')
                WHEN 'close' THEN NEW.step = 'purge'
                WHEN 'purge' THEN NEW.state = 'finalized'
                WHEN 'abort' THEN NEW.state = CASE NEW.aim WHEN 'migrate' THEN 'failed' ELSE 'migrated' END
            END
            WHEN 'migrated' THEN NEW.state = 'migrated'
                OR (NEW.state = 'started' AND NEW.epoch > OLD.epoch AND NEW.strategy = 'online'
                    AND NEW.step = CASE NEW.aim WHEN 'roll_back' THEN 'catch_up' WHEN 'finalize' THEN 'back_up' END)
            WHEN 'failed' THEN NEW.state IN ('failed', 'ready')
            WHEN 'rolled_back' THEN NEW.state IN ('rolled_back', 'ready')
            WHEN 'finalized' THEN NEW.state = 'finalized'
        END,
        false
    )
)
EXECUTE FUNCTION mover.refuse_transition();
