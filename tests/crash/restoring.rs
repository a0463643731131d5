//! `mover restore`: what a file says is held against the move log, and the answer says where the org's rows are.

use std::path::PathBuf;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::world::{ONLINE, World};

/// What a session does from then on is neither logged nor refused.
const UNSEEN: &str = "SET session_replication_role = replica";

/// An org is finalized; returns its backup.
async fn finalized(world: &World, org: usize) -> PathBuf {
    world.exec("migrate whole_org all").await.with_code(0);
    world.exec(&format!("finalize whole_org {}", world.orgs[org].name)).await.with_code(0);
    let backups = std::fs::read_dir(world.dir().join("backups")).unwrap();
    let paths: Vec<PathBuf> = backups.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(paths.len(), 1, "{paths:?}");
    paths.into_iter().next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_and_the_doctor_say_that_the_rows_are_in_both_stores() {
    let world = World::ready(ONLINE).await;
    let file = finalized(&world, 2).await;
    let (org, file) = (world.orgs[2].name.clone(), file.display().to_string());
    world.mover(&["doctor"]).await.with_code(0);
    let restored = world.mover(&["restore", &file, "--to", "old"]).await.with_code(0);
    let next = format!("mover restore {file} --to old --remove");
    for part in [
        format!(
            "org {org} is finalized and lives in new, which accepts its writes; old refuses them (its guard: moved)"
        ),
        "Its rows are in both stores now".into(),
        next.clone(),
    ] {
        assert!(restored.answer.contains(&part), "{part}\n{restored}");
    }
    let found = world.mover(&["doctor"]).await.with_code(1);
    assert!(found.answer.contains(&format!("{org}: its rows are in both stores: old holds ")), "{found}");
    assert!(
        found.answer.contains("lives in new, which accepts its writes; old refuses them; next: mover restore"),
        "{found}"
    );
    let again = world.mover(&["restore", &file, "--to", "old"]).await.with_code(1);
    assert!(again.said.contains("already holds rows of org"), "{again}");
    let removed = world.mover(&["restore", &file, "--to", "old", "--remove"]).await.with_code(0);
    assert!(removed.answer.contains("the org lives in new alone"), "{removed}");
    world.mover(&["doctor"]).await.with_code(0);
    // Only what was restored is removed.
    let other = world.mover(&["restore", &file, "--to", "new", "--remove"]).await.with_code(1);
    assert!(other.said.contains("only from old"), "{other}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_is_held_against_the_move_log() {
    let world = World::ready(ONLINE).await;
    let file = finalized(&world, 2).await;
    let forged = |change: &dyn Fn(&mut Value)| {
        let bytes = std::fs::read(&file).unwrap();
        let lines: Vec<usize> =
            bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect();
        let (header, body) = bytes.split_at(lines[0] + 1);
        let body = &body[..body.len() - 1];
        let body = &body[..body.iter().rposition(|byte| *byte == b'\n').unwrap()];
        // What was written of each table begins with a brace after the end of the last table.
        let tallies = body.windows(2).rposition(|pair| pair == [0, b'{']).unwrap() + 1;
        let tally: Value = serde_json::from_slice(&body[tallies..]).unwrap();
        let rows: serde_json::Map<String, Value> =
            tally.as_object().unwrap().iter().map(|(table, tally)| (table.clone(), tally["rows"].clone())).collect();
        let mut header: Value = serde_json::from_slice(header).unwrap();
        header["format"] = json!("mover backup 1");
        change(&mut header);
        let mut text = serde_json::to_vec(&header).unwrap();
        text.push(b'\n');
        text.extend(&body[..tallies]);
        let sum: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
        text.extend(serde_json::to_vec(&json!({ "rows": rows, "sha256": sum })).unwrap());
        text.push(b'\n');
        let path = file.with_extension("forged");
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let refused = async |file: String, said: &str| {
        let refused = world.mover(&["restore", &file, "--to", "old", "--unsigned"]).await.with_code(1);
        assert!(refused.said.contains(said), "{said}\n{refused}");
    };
    let (org, other) = (&world.orgs[2], &world.orgs[3]);
    let plain = forged(&|_| {});
    let unsigned = world.mover(&["restore", &plain, "--to", "old"]).await.with_code(1);
    assert!(unsigned.said.contains("add --unsigned"), "{unsigned}");
    refused(
        forged(&|header| header["org"] = json!(other.name)),
        &format!("the move log has {} under that key", org.name),
    )
    .await;
    refused(forged(&|header| header["key"] = json!("nobody")), "which the move log does not know").await;
    refused(forged(&|header| header["migration"] = json!("nothing")), "nothing").await;
    // Another org that lives in the target: its key, and the rows of the first.
    let stolen = forged(&|header| {
        header["org"] = json!(other.name);
        header["key"] = json!(other.id.to_string());
    });
    let left = world.mover(&["restore", &stolen, "--to", "old", "--unsigned"]).await.with_code(1);
    assert!(left.said.contains("already holds rows of org") || left.said.contains("rows of other orgs"), "{left}");
    // What was signed is not taken without its signature, whatever the flag.
    refused(forged(&|_| {}), &format!("it is not the file that org {} was backed up to", org.name)).await;
    // Nor because it says that it takes the place of the signed one, or is of another round.
    let log = world.log().await;
    let sql = "SELECT detail ->> 'sum' FROM mover.org_migration_event WHERE detail ? 'sum'";
    let sum: String = log.query_one(sql, &[]).await.unwrap().get(0);
    let not_it = format!("it is not the file that org {} was backed up to", org.name);
    refused(forged(&|header| header["instead_of"] = json!(sum)), &not_it).await;
    refused(forged(&|header| header["epoch"] = json!(1)), &format!("next: use {}", file.display())).await;
    let rows = world
        .old_store()
        .await
        .query_one("SELECT count(*) FROM organizations WHERE id = $1", &[&org.id])
        .await
        .unwrap();
    assert_eq!(rows.get::<_, i64>(0), 0);
}

/// A column is added before the purge, so that the backup is written again.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_written_again_can_be_restored() {
    let world = World::ready(ONLINE).await;
    world.exec("migrate whole_org all").await.with_code(0);
    let org = &world.orgs[2];
    world.start_to_die(&format!("finalize whole_org {}", org.name), "close.done").end().await;
    let old = world.old_store().await;
    for client in [&old, &world.new_store().await] {
        client.batch_execute("ALTER TABLE cookbooks ADD COLUMN late text DEFAULT 'late'").await.unwrap();
    }
    world.exec("resume").await.with_code(0);
    let backups = std::fs::read_dir(world.dir().join("backups")).unwrap();
    let file = backups.map(|entry| entry.unwrap().path()).next().unwrap().display().to_string();
    world.mover(&["restore", &file, "--to", "old"]).await.with_code(0);
    let found = old.query_one("SELECT count(*) FROM cookbooks WHERE org_id = $1 AND late = 'late'", &[&org.id]).await;
    assert!(found.unwrap().get::<_, i64>(0) > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_rows_are_called_so_and_not_removed() {
    let world = World::ready(ONLINE).await;
    let file = finalized(&world, 2).await.display().to_string();
    let org = &world.orgs[2];
    world.mover(&["restore", &file, "--to", "old"]).await.with_code(0);
    let new = world.new_store().await;
    new.batch_execute(UNSEEN).await.unwrap();
    assert!(new.execute("DELETE FROM cookbooks WHERE org_id = $1", &[&org.id]).await.unwrap() > 0);
    let found = world.mover(&["doctor"]).await.with_code(1);
    assert!(found.answer.contains("new, which holds no row of it in table cookbooks: the "), "{found}");
    assert!(found.answer.contains(" in old are the only rows") && !found.answer.contains("--remove"), "{found}");
    let kept = world.mover(&["restore", &file, "--to", "old", "--remove"]).await.with_code(1);
    assert!(kept.said.contains("in old are the only ones; nothing was removed; next: "), "{kept}");
    let count = "SELECT count(*) FROM cookbooks WHERE org_id = $1";
    assert!(world.old_store().await.query_one(count, &[&org.id]).await.unwrap().get::<_, i64>(0) > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_that_removes_restored_rows_can_be_pasted() {
    let world = World::ready(ONLINE).await;
    let file = finalized(&world, 2).await;
    let moved = world.dir().join("my backups");
    std::fs::create_dir(&moved).unwrap();
    let moved = moved.join("it's one.backup");
    std::fs::rename(&file, &moved).unwrap();
    let name = moved.display().to_string();
    let restored = world.mover(&["restore", &name, "--to", "old", "--unsigned"]).await.with_code(0);
    let pasted = format!("mover restore '{}' --to old --remove --unsigned", name.replace('\'', "'\\''"));
    assert!(restored.answer.contains(&pasted), "{pasted}\n{restored}");
    world.mover(&["restore", &name, "--to", "old", "--remove", "--unsigned"]).await.with_code(0);
}

/// The purge waits for the file without end, and writers are not affected: nobody would see it.
#[tokio::test(flavor = "multi_thread")]
async fn health_names_an_org_that_waits_for_a_lost_backup() {
    let world = World::ready(ONLINE).await;
    world.exec("migrate whole_org all").await.with_code(0);
    let org = world.orgs[2].name.clone();
    world.start_to_die(&format!("finalize whole_org {org}"), "close.begin").end().await.by_sigkill();
    let file = std::fs::read_dir(world.dir().join("backups")).unwrap().next().unwrap().unwrap().path();
    let kept = file.with_extension("elsewhere");
    std::fs::rename(&file, &kept).unwrap();
    let mut resumed = world.start("resume");
    resumed.says("it is not there any more, so no row is removed; next: put the file back").await;
    let later =
        "UPDATE mover.org_migration_state SET updated_at = now() - interval '2 minutes' WHERE state = 'started'";
    assert_eq!(world.log().await.execute(later, &[]).await.unwrap(), 1);
    let health = world.mover(&["health"]).await.with_code(1);
    assert!(health.answer.contains(&format!("org {org} of whole_org has been at close for 12")), "{health}");
    std::fs::rename(&kept, &file).unwrap();
    resumed.end().await.with_code(0);
    world.mover(&["health"]).await.with_code(0);
}
