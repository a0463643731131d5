//! Every kind of column and name arrives as it was.

use crate::world::{World, carry, keyed, lease};

const TYPES: &str = r#"
CREATE SCHEMA "Other Schema";
CREATE TYPE mood AS ENUM ('sad', 'it''s ok', 'Überglücklich');
CREATE TYPE spot AS (x int, label text, m mood);
CREATE DOMAIN short AS varchar(5) CHECK (VALUE <> 'never');
CREATE DOMAIN shorts AS short;
CREATE TABLE things (
    org uuid NOT NULL, id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    small smallint, n numeric, money_like numeric(12, 4), r real, d double precision, t text, v varchar(20), c char(8),
    one "char", nm name, b bytea, ok boolean, j json, jb jsonb, x xml, u uuid, ts timestamp, tz timestamptz, day date,
    tm time, tmz timetz, iv interval, ip inet, net cidr, mac macaddr, bits bit(5), vbits varbit, pt point, bx box,
    r1 int4range, r2 tstzrange, mr int4multirange, ints int[], texts text[], moods mood[], m mood, sp spot, sps spot[],
    sh shorts, ts_v tsvector, q tsquery, mny money, grid int[][], o oid,
    doubled numeric GENERATED ALWAYS AS (n * 2) STORED
);
CREATE INDEX ON things (org);
"#;

const ORG: &str = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";

#[tokio::test]
async fn every_type_arrives_as_it_was() {
    let world = World::with_schema(TYPES).await;
    // Types get another number in the target, and columns another order.
    world
        .new
        .batch_execute("DROP TABLE things; DROP TYPE spot; DROP DOMAIN shorts, short; DROP TYPE mood")
        .await
        .unwrap();
    world.new.batch_execute("CREATE TYPE filler AS ENUM ('x')").await.unwrap();
    let definitions = TYPES.replace("CREATE SCHEMA \"Other Schema\";", "");
    world.new.batch_execute(&definitions).await.unwrap();
    world
        .new
        .batch_execute("ALTER TABLE things DROP COLUMN small; ALTER TABLE things ADD COLUMN small smallint")
        .await
        .unwrap();
    world
        .old
        .batch_execute("ALTER TABLE things ADD COLUMN gone int; ALTER TABLE things DROP COLUMN gone")
        .await
        .unwrap();
    world
        .old
        .batch_execute(&format!(
            r#"INSERT INTO things VALUES (
                '{ORG}', DEFAULT, -3, 1.10, 7, 'NaN', '-Infinity', E'tab\t quote" back\\ new\n', 'ünïcödé 🦀', 'pad',
                'z', 'a name', '\x00ff5c', true, '{{"a" : 1,  "a":2}}', '{{"b": [1, null, 1.0]}}', '<a>ä</a>', '{ORG}',
                '2026-01-01 00:00:00.000001', '2026-06-01 12:00:00.5+02', 'infinity', '23:59:59.999999', '01:02:03+05:30',
                '1 year -3 days 04:05:06.7', '10.0.0.1/8', '10.0.0.0/8', '08:00:2b:01:02:03', '10101', '111', '(1.5,-2)',
                '((0,0),(1,1))', '[1,5)', '[2026-01-01,)', '{{[1,2),[5,9)}}', '{{1,NULL,3}}', '{{"a,b","\"",NULL}}',
                ARRAY['sad', 'it''s ok']::mood[], 'Überglücklich', ROW(1, 'x', 'sad')::spot,
                ARRAY[ROW(2, NULL, 'sad')::spot], 'abcde', 'a fat cat', 'fat & cat', 12.34, '{{{{1,2}},{{3,4}}}}', 4294967295)"#
        ))
        .await
        .unwrap_or_else(|error| panic!("{error:?}"));
    world.old.batch_execute(&format!("INSERT INTO things (org, n) VALUES ('{ORG}', 'NaN'), ('{ORG}', 'Infinity'), ('{ORG}', NULL), ('{ORG}', 1e1000)")).await.unwrap();

    let engine = world.engine(vec![keyed("things", "org")]);
    let copied = carry(&engine, &lease(ORG, 1)).await;
    assert_eq!(copied.rows, 5);
    let columns = "SELECT string_agg(quote_ident(attname) || '::text', ', ' ORDER BY attname) FROM pg_attribute \
                   WHERE attrelid = 'things'::regclass AND attnum > 0 AND NOT attisdropped";
    let columns: String = world.old.query_one(columns, &[]).await.unwrap().get(0);
    let all = format!("SELECT ROW({columns})::text FROM things ORDER BY id");
    let texts = |rows: Vec<tokio_postgres::Row>| rows.iter().map(|row| row.get(0)).collect::<Vec<String>>();
    let (old, new) = (world.old.query(&all, &[]).await.unwrap(), world.new.query(&all, &[]).await.unwrap());
    assert_eq!(texts(old), texts(new));
}

#[tokio::test]
async fn odd_names_and_partitions_are_carried() {
    let schema = r#"
        CREATE SCHEMA "Odd Schema";
        CREATE TABLE "Odd Schema"."We ""ird.T%s" ("Org Id" text, "select" int, "1 $x" text, PRIMARY KEY ("Org Id", "select"));
        CREATE TABLE events (org text NOT NULL, id int NOT NULL, at date NOT NULL, PRIMARY KEY (org, id, at)) PARTITION BY RANGE (at);
        CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
        CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    "#;
    let world = World::with_schema(schema).await;
    let org = "it's; DROP TABLE \"x\" $1 {} \\ \n ü";
    let odd = r#"INSERT INTO "Odd Schema"."We ""ird.T%s" VALUES ($1, 1, 'a'), ($1, 2, NULL)"#;
    world.old.execute(odd, &[&org]).await.unwrap();
    world
        .old
        .execute("INSERT INTO events SELECT $1, i, date '2025-12-25' + i FROM generate_series(1, 20) i", &[&org])
        .await
        .unwrap();
    let engine = world.engine(vec![keyed(r#""Odd Schema"."We ""ird.T%s""#, "\"Org Id\""), keyed("events", "org")]);
    assert_eq!(carry(&engine, &lease(org, 1)).await.rows, 22);
    assert_eq!(world.count(&world.new, "events_1").await, 6);
    assert_eq!(world.count(&world.new, "events_2").await, 14);
}

#[tokio::test]
async fn an_org_without_rows_and_a_migration_without_tables_are_carried() {
    let world = World::with_schema("CREATE TABLE notes (org int, id int PRIMARY KEY)").await;
    let engine = world.engine(vec![keyed("notes", "org")]);
    assert_eq!(carry(&engine, &lease("7", 1)).await.rows, 0);
    let engine = world.engine(vec![]);
    assert_eq!(carry(&engine, &lease("7", 1)).await.rows, 0);
}
