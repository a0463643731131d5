-- The orgs that the triggers watch: 64 bits for keys of each kind. If an org in bucket n is not settled, bit n is set. The
-- state of a sequence is visible to all transactions at once, open ones too, and reading it takes no query. A superfluous bit
-- costs a query; a missing bit would lose writes. The conditions of all triggers read the bits.
CREATE SEQUENCE IF NOT EXISTS mover.watched_text MINVALUE -9223372036854775808 START 0;
CREATE SEQUENCE IF NOT EXISTS mover.watched_integer MINVALUE -9223372036854775808 START 0;
CREATE SEQUENCE IF NOT EXISTS mover.watched_uuid MINVALUE -9223372036854775808 START 0;
GRANT SELECT ON SEQUENCE mover.watched_text, mover.watched_integer, mover.watched_uuid TO PUBLIC;

-- Functions of earlier versions.
DROP FUNCTION IF EXISTS mover.watch(text), mover.watched_bits(text);

-- The bits of orgs for each kind that a key may have in some table; the conditions of the triggers compute the same.
CREATE OR REPLACE FUNCTION mover.watched_bits(org_keys text[]) RETURNS TABLE (watched text, bits bigint)
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT kind.watched, coalesce(bit_or(kind.mask), 0)
    FROM unnest(org_keys) AS org (key)
    CROSS JOIN LATERAL (
        VALUES
            ('mover.watched_text', 1::bigint << (hashtext(org.key COLLATE "C") & 63)),
            ('mover.watched_integer', CASE WHEN org.key ~ '^-?[0-9]{1,19}$' THEN
                CASE WHEN org.key::numeric BETWEEN -9223372036854775808 AND 9223372036854775807 THEN
                    1::bigint << (org.key::bigint & 63)::integer
                END
            END),
            ('mover.watched_uuid', CASE WHEN org.key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
                1::bigint << (uuid_hash(org.key::uuid) & 63)
            END)
    ) AS kind (watched, mask)
    GROUP BY kind.watched;
END;

-- Makes the triggers watch these orgs. Call it when their rows in mover.org_guard are committed: from then on `watch_anew` sees
-- them.
CREATE OR REPLACE FUNCTION mover.watch(org_keys text[]) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted record;
    bits   bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('mover.watch'));
    FOR wanted IN SELECT b.watched, b.bits FROM mover.watched_bits(watch.org_keys) AS b LOOP
        bits := coalesce(pg_sequence_last_value(wanted.watched), 0);
        IF bits & wanted.bits <> wanted.bits THEN
            PERFORM setval(wanted.watched, bits | wanted.bits);
        END IF;
    END LOOP;
END
$$;

-- Computes all bits again, so that orgs that have settled are no longer watched.
CREATE OR REPLACE FUNCTION mover.watch_anew() RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    wanted record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('mover.watch'));
    FOR wanted IN
        SELECT kind.watched, coalesce(b.bits, 0) AS bits
        FROM (VALUES ('mover.watched_text'), ('mover.watched_integer'), ('mover.watched_uuid')) AS kind (watched)
        LEFT JOIN mover.watched_bits(ARRAY(SELECT g.org_key FROM mover.org_guard g WHERE g.mode <> 'settled')) AS b
            USING (watched)
    LOOP
        IF wanted.bits <> coalesce(pg_sequence_last_value(wanted.watched), 0) THEN
            PERFORM setval(wanted.watched, wanted.bits);
        END IF;
    END LOOP;
END
$$;

REVOKE EXECUTE ON FUNCTION mover.watched_bits(text[]), mover.watch(text[]), mover.watch_anew() FROM PUBLIC;
