-- An abort that finds that its org has moved goes back to the switch, which goes forward from there.
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
                    AND NEW.step = CASE NEW.strategy WHEN 'offline' THEN 'block' WHEN 'online' THEN 'capture' ELSE 'drain' END)
            WHEN 'started' THEN NEW.step = OLD.step OR CASE OLD.step
                WHEN 'block' THEN NEW.step IN ('drain', 'abort')
                WHEN 'drain' THEN NEW.step IN ('copy', 'abort')
                WHEN 'capture' THEN NEW.step IN ('copy', 'abort')
                WHEN 'copy' THEN NEW.step = 'abort'
                    OR NEW.step = CASE NEW.strategy WHEN 'online' THEN 'catch_up' ELSE 'verify' END
                WHEN 'catch_up' THEN NEW.step IN ('verify', 'abort')
                WHEN 'verify' THEN CASE NEW.strategy
                    WHEN 'window' THEN coalesce(NEW.step = 'abort', false) OR NEW.state = 'migrated'
                    ELSE NEW.step IN ('switch', 'abort')
                END
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
                    OR (NEW.step = 'switch' AND NEW.strategy = 'online' AND NEW.aim IN ('migrate', 'roll_back'))
            END
            WHEN 'migrated' THEN NEW.state = 'migrated'
                OR (NEW.state = 'started' AND NEW.epoch > OLD.epoch AND CASE NEW.strategy
                    WHEN 'online' THEN NEW.step = CASE NEW.aim WHEN 'roll_back' THEN 'catch_up' WHEN 'finalize' THEN 'back_up' END
                    WHEN 'window' THEN NEW.aim = 'roll_back' AND NEW.step = 'discard'
                END)
            WHEN 'failed' THEN NEW.state IN ('failed', 'ready')
            WHEN 'rolled_back' THEN NEW.state IN ('rolled_back', 'ready')
            WHEN 'finalized' THEN NEW.state = 'finalized'
        END,
        false
    )
)
EXECUTE FUNCTION mover.refuse_transition();
