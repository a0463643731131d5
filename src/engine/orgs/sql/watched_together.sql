CASE pg_typeof({key})::oid
    WHEN 'int2'::regtype THEN {key}::text::bigint & 63
    WHEN 'int4'::regtype THEN {key}::text::bigint & 63
    WHEN 'int8'::regtype THEN {key}::text::bigint & 63
    WHEN 'uuid'::regtype THEN uuid_hash({key}::text::uuid) & 63
    ELSE hashtext({key}::text COLLATE "C") & 63
END
