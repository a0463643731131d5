//! A backup is not believed: it must be signed, whole, and of one org of the definition; else nothing is written.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::one_org::OneOrg;
use futures_util::TryStreamExt;
use mover::engine::{PgEngine, Trust};
use mover_actors::ports::BackedUp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::world::{UNSEEN, World, backups, lease, moved, refusal, restored, store};

/// A finalized org, and its backup.
async fn finalized(world: &World) -> BackedUp {
    let engine = world.engine();
    moved(&engine, &lease("1", 1)).await;
    let backup = engine.back_up(&lease("1", 2)).await.unwrap();
    engine.close(&lease("1", 2), &backup).await.unwrap();
    engine.purge(&lease("1", 2), &backup).await.unwrap();
    backup
}

async fn unsigned(engine: &PgEngine, file: &Path) -> String {
    match engine.open_backup(file, Trust::AlsoUnsigned).await {
        Ok(backup) => refusal(engine.restore(&backup, &store("old")).await),
        Err(error) => error.reason,
    }
}

/// A file as an earlier version wrote it.
#[derive(Clone)]
struct Earlier {
    header: Value,
    parts: Vec<Vec<u8>>,
    rows: BTreeMap<String, i64>,
}

impl Earlier {
    fn tables(&mut self) -> &mut Vec<Value> {
        self.header["tables"].as_array_mut().unwrap()
    }

    fn add(&mut self, table: &str, columns: &[&str], (rows, part): (i64, Vec<u8>)) {
        self.tables().push(json!({ "name": table, "columns": columns }));
        self.parts.push(part);
        self.rows.insert(table.into(), rows);
    }

    fn written(&self, name: &str) -> PathBuf {
        let mut bytes = serde_json::to_vec(&self.header).unwrap();
        bytes.push(b'\n');
        for part in &self.parts {
            bytes.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
            bytes.extend(part);
            bytes.extend(0_u32.to_be_bytes());
        }
        let sum: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        bytes.extend(serde_json::to_vec(&json!({ "rows": self.rows, "sha256": sum })).unwrap());
        bytes.push(b'\n');
        let directory = backups();
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// What COPY makes of a query, and how many rows.
async fn copied_out(world: &World, from: &tokio_postgres::Client, query: &str) -> (i64, Vec<u8>) {
    let rows = world.count(from, &format!("({query}) q")).await;
    let out = from.copy_out(&format!("COPY ({query}) TO STDOUT (FORMAT binary)")).await.unwrap();
    (rows, out.try_collect::<Vec<_>>().await.unwrap().concat())
}

/// All rows of org 1, as the new store has them.
async fn earlier(world: &World) -> Earlier {
    let header = json!({
        "format": "mover backup 1", "migration": "whole_org", "org": "org 1", "key": "1", "epoch": 2, "store": "old", "tables": []
    });
    let mut file = Earlier { header, parts: Vec::new(), rows: BTreeMap::new() };
    let group = "group_id IN (SELECT id FROM groups WHERE org = 1)";
    let tables: [(&str, &[&str], String); 6] = [
        ("accounts", &["org", "id", "email", "m", "touched"], "org = 1".into()),
        ("groups", &["id", "org", "name"], "org = 1".into()),
        ("members", &["group_id", "since", "role"], group.into()),
        ("remarks", &["id", "group_id", "body"], group.into()),
        ("lines", &["id", "remark", "n"], format!("remark IN (SELECT id FROM remarks WHERE {group})")),
        ("events", &["id", "org", "what", "at"], "org = 1".into()),
    ];
    for (table, columns, condition) in tables {
        let query = format!("SELECT {} FROM {table} WHERE {condition}", columns.join(", "));
        file.add(table, columns, copied_out(world, &world.new, &query).await);
    }
    file
}

#[tokio::test]
async fn a_file_of_an_earlier_version_is_taken_only_when_told_to() {
    let world = World::start().await;
    let backup = finalized(&world).await;
    let path = earlier(&world).await.written("earlier.backup");
    let reason = refusal(restored(&world.engine(), &path, "old").await);
    assert!(reason.contains("without a signature") && reason.contains("add --unsigned"), "{reason}");
    assert!(world.rows(&world.old, "1").await.is_empty());
    let engine = world.engine();
    // As in a store that was made anew.
    world.old.batch_execute("SELECT setval('accounts_id_seq', 1)").await.unwrap();
    let opened = engine.open_backup(&path, Trust::AlsoUnsigned).await.unwrap();
    assert_eq!(engine.restore(&opened, &store("old")).await.unwrap().rows, backup.rows);
    assert_eq!(world.rows(&world.old, "1").await, world.rows(&world.new, "1").await);
    // The numbers of restored rows are not handed out again.
    let taken = "accounts WHERE org = 1 AND id >= (SELECT nextval('accounts_id_seq'))";
    assert_eq!(world.count(&world.old, taken).await, 0);
}

#[tokio::test]
async fn nothing_in_an_unsigned_file_is_believed() {
    let world = World::start().await;
    finalized(&world).await;
    let (good, others) = (earlier(&world).await, world.others("1").await);
    let refused = async |name: &str, file: Earlier, said: &str| {
        let reason = unsigned(&world.engine(), &file.written(name)).await;
        assert!(reason.contains(said), "{name}: {reason}");
        assert!(world.rows(&world.old, "1").await.is_empty(), "{name}");
        assert_eq!(world.others("1").await, others, "{name}");
    };

    let mut file = good.clone();
    let foreign = "SELECT org, id + 900000 AS id, 'x' || email AS email, m, touched FROM accounts WHERE org IN (1, 2)";
    let (rows, part) = copied_out(&world, &world.new, &foreign.replace("IN (1, 2)", "= 1")).await;
    let both = format!("{} UNION ALL SELECT 2, 900, 'forged', 'ok'::mood, 0", foreign.replace("IN (1, 2)", "= 1"));
    let (_, with_foreign) = copied_out(&world, &world.new, &both).await;
    drop(part);
    file.parts[0] = with_foreign.clone();
    refused("counted as fewer", file.clone(), "there are 61").await;
    file.rows.insert("accounts".into(), rows + 1);
    refused("of another org", file, "it has rows of other orgs").await;

    let mut file = good.clone();
    file.add("orgs", &["id", "name"], copied_out(&world, &world.new, "SELECT 77, 'forged'").await);
    refused("not moved", file.clone(), "table orgs, which migration whole_org does not move").await;
    file.tables()[6]["name"] = json!("pg_catalog.pg_class");
    refused("catalog", file, "pg_catalog.pg_class, which migration whole_org does not move").await;

    let mut file = good.clone();
    file.rows.insert("accounts".into(), 0);
    refused("a count of nothing", file.clone(), "says that table accounts has 0 rows, and there are 60").await;
    file.rows.remove("accounts");
    refused("no count", file, "accounts").await;

    let mut file = good.clone();
    file.tables().pop();
    file.parts.pop();
    refused("counted but not there", file.clone(), "events").await;
    file.rows.remove("events");
    refused("a table is missing", file, "it has nothing of table events").await;

    let mut file = good.clone();
    let twice = file.tables()[0].clone();
    file.tables().push(twice);
    file.parts.push(good.parts[0].clone());
    refused("a table twice", file, "accounts").await;

    let mut file = good.clone();
    file.header["migration"] = json!("another");
    refused("another migration", file, "there is no migration another").await;

    let mut file = good.clone();
    file.tables()[0]["columns"][2] = json!("emial");
    refused("a column that is not there", file, "no column emial").await;
}

#[tokio::test]
async fn a_file_that_was_cut_extended_or_changed_anywhere_is_refused() {
    let world = World::start().await;
    let backup = finalized(&world).await;
    let (path, whole) = (&backup.file.path, std::fs::read(&backup.file.path).unwrap());
    let refused = async |bytes: Vec<u8>, name: String| {
        std::fs::write(path, bytes).unwrap();
        let reason = refusal(restored(&world.engine(), path, "old").await);
        assert!(reason.starts_with(&format!("backup {}: ", path.display())), "{name}: {reason}");
        assert!(world.rows(&world.old, "1").await.is_empty(), "{name}");
    };
    for part in 0..40 {
        let at = whole.len() * part / 40;
        let mut flipped = whole.clone();
        flipped[at] ^= 0x20;
        refused(flipped, format!("flipped at {at}")).await;
        refused(whole[..at].to_vec(), format!("cut at {at}")).await;
    }
    for more in [b"\n".as_slice(), b"{}\n", &whole] {
        refused([&whole, more].concat(), "extended".into()).await;
    }
    // Whoever can write the file can compute a sum, but not that with the key.
    let end = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    let mut last: Value = serde_json::from_slice(&whole[end..]).unwrap();
    let at = whole.windows(4).position(|found| found == b"a1@1").unwrap();
    let mut forged = whole[..end].to_vec();
    forged[at] = b'b';
    last["sha256"] = json!(Sha256::digest(&forged).iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    forged.extend(serde_json::to_vec(&last).unwrap());
    forged.push(b'\n');
    refused(forged, "forged".into()).await;
    std::fs::write(path, &whole).unwrap();
    // Signed by another move log.
    let other = world.engine().with_backup_keys(std::sync::Arc::new([8; 32]));
    assert!(refusal(restored(&other, path, "old").await).contains("the key of another move log"));
    assert_eq!(restored(&world.engine(), path, "old").await.unwrap(), backup.rows);
}

#[tokio::test]
async fn a_schema_that_has_changed_since_is_named_with_what_to_do() {
    let world = World::start().await;
    let backup = finalized(&world).await;
    let path = &backup.file.path;
    let refused = async |change: &str, said: &str| {
        world.old.batch_execute(change).await.unwrap();
        let reason = refusal(restored(&world.engine(), path, "old").await);
        assert!(reason.contains(said), "{change}: {reason}");
        assert!(world.rows(&world.old, "1").await.is_empty(), "{change}");
        reason
    };
    let reason = refused(
        "ALTER TABLE accounts DROP COLUMN touched",
        "(store old, table accounts): the table has no column touched",
    )
    .await;
    let remedy = reason.split_once("next: run in old: ").unwrap().1.to_owned();
    assert!(remedy.starts_with("ALTER TABLE") && remedy.ends_with("ADD COLUMN \"touched\" int4"), "{remedy}");
    world.old.batch_execute(&remedy).await.unwrap();
    // Only new rows need the default.
    let must = "DELETE FROM groups; ALTER TABLE groups ADD COLUMN must int NOT NULL";
    let must = format!("SET session_replication_role = replica; {must}; RESET session_replication_role");
    refused(&must, "(store old, table groups): column must was added since").await;
    world
        .old
        .batch_execute("ALTER TABLE groups ALTER must SET DEFAULT 7; ALTER TABLE lines ADD COLUMN may int")
        .await
        .unwrap();
    let engine = world.engine();
    let opened = engine.open_backup(path, Trust::Signed).await.unwrap();
    let restored = engine.restore(&opened, &store("old")).await.unwrap();
    assert_eq!((restored.rows, restored.mode), (backup.rows, Some("moved")));
    assert_eq!(restored.defaulted, ["groups.must", "lines.may"]);
}

/// In binary the bits of one type can be taken for another's.
#[tokio::test]
async fn a_column_of_another_type_is_refused_with_the_statement_that_brings_the_type_back() {
    let world = World::start().await;
    let engine = world.engine();
    moved(&engine, &lease("1", 1)).await;
    world.old.batch_execute(&format!("{UNSEEN} UPDATE accounts SET touched = 7 WHERE org = 1")).await.unwrap();
    world.new.batch_execute("UPDATE accounts SET touched = 7 WHERE org = 1").await.unwrap();
    let rows = world.rows(&world.old, "1").await;
    let backup = engine.back_up(&lease("1", 2)).await.unwrap();
    engine.close(&lease("1", 2), &backup).await.unwrap();
    engine.purge(&lease("1", 2), &backup).await.unwrap();
    world.old.batch_execute("ALTER TABLE accounts ALTER touched TYPE real").await.unwrap();
    let reason = refusal(restored(&world.engine(), &backup.file.path, "old").await);
    assert!(reason.contains("(store old, table accounts): column touched has type float4 here"), "{reason}");
    assert!(world.rows(&world.old, "1").await.is_empty());
    let remedy = reason.split_once("next: run in old: ").unwrap().1;
    assert!(remedy.ends_with("ALTER COLUMN \"touched\" TYPE int4 USING \"touched\"::int4"), "{remedy}");
    world.old.batch_execute(remedy).await.unwrap();
    assert_eq!(restored(&world.engine(), &backup.file.path, "old").await.unwrap(), backup.rows);
    assert_eq!(world.rows(&world.old, "1").await, rows);
}

#[tokio::test]
async fn backups_are_written_where_nobody_else_looks_and_through_no_link() {
    let world = World::start().await;
    let directory = backups();
    std::fs::create_dir(&directory).unwrap();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o777)).unwrap();
    let engine = world.engine().with_backups_in(directory.clone());
    moved(&engine, &lease("1", 1)).await;
    let bystander = directory.join("bystander");
    std::fs::write(&bystander, "not a backup").unwrap();
    let reason = refusal(engine.back_up(&lease("1", 2)).await);
    assert!(reason.contains("others may read or write it") && reason.contains("chmod 700"), "{reason}");
    let target = backups();
    std::fs::rename(&bystander, &target).unwrap();
    let name = "whole_org.org%201.2";
    for ending in ["partial", "backup"] {
        std::os::unix::fs::symlink(&target, directory.join(format!("{name}.{ending}"))).unwrap();
    }
    let backup = engine.back_up(&lease("1", 2)).await.unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), b"not a backup");
    let mode = |path: &Path| std::fs::symlink_metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&directory) & 0o7777, 0o700);
    assert_eq!(mode(&backup.file.path), 0o100_600);
    assert_eq!(backup.file.path, directory.canonicalize().unwrap().join(format!("{name}.backup")));
    let link = directory.join("link.backup");
    std::os::unix::fs::symlink(&backup.file.path, &link).unwrap();
    assert!(refusal(restored(&engine, &link, "old").await).contains("it is a symbolic link"));
}

/// XML is read, and so backed up, as text.
#[tokio::test]
async fn xml_comes_back_as_it_was() {
    let world = World::start().await;
    let written = "<?xml version=\"1.0\"?><a/>";
    for client in [&world.old, &world.new] {
        client.batch_execute("ALTER TABLE accounts ADD COLUMN document xml").await.unwrap();
    }
    world.old.batch_execute(&format!("UPDATE accounts SET document = '{written}'")).await.unwrap();
    let backup = finalized(&world).await;
    restored(&world.engine(), &backup.file.path, "old").await.unwrap();
    let like = format!("accounts WHERE org = 1 AND document::text = '{written}'");
    assert_eq!(world.count(&world.old, &like).await, world.count(&world.new, "accounts WHERE org = 1").await);
}
