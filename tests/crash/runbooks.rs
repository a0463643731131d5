//! Runbooks against real servers: the shipped ones, and others that are killed, stopped and resumed.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::program::{Ended, Program, eventually};
use super::world::{ONLINE, World};

fn shipped(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("runbooks").join(name).display().to_string()
}

/// Writes a runbook of the test's own.
fn write(world: &World, source: &str) -> PathBuf {
    let file = world.dir().join("own.md");
    std::fs::write(&file, source).unwrap();
    file
}

async fn run(world: &World, arguments: &[&str]) -> Ended {
    world.mover(&[&["run"], arguments].concat()).await
}

#[tokio::test]
async fn a_whole_migration_is_rolled_back_by_the_shipped_runbook() {
    let world = World::ready(ONLINE).await;
    world.exec("migrate whole_org all").await.with_code(0);
    let (book, migration) = (shipped("rollback.md"), "migration=whole_org");
    let looked = run(&world, &[&book, "--var", migration, "--dry-run"]).await.with_code(0);
    assert!(looked.answer.contains("would rollback 8 of 8 orgs that are migrated"), "{looked}");
    assert_eq!(world.states().await["migrated"], 8);
    // There is no terminal to answer.
    let refused = run(&world, &[&book, "--var", migration]).await.with_code(1);
    assert!(
        refused.said.contains("Do all orgs of this migration go back") && refused.said.contains("--resume 1 --yes"),
        "{refused}"
    );
    let done = run(&world, &["--resume", "1", "--yes"]).await.with_code(0);
    assert!(
        done.answer.contains("run 1 is done") && done.answer.contains("[1/7] Before · status whole_org: done before"),
        "{done}"
    );
    let report = std::fs::read_to_string(world.dir().join("run-1.md")).unwrap();
    assert!(report.contains("# Roll a migration back") && report.contains("8 rolled back"), "{report}");
    world.assert_all_rolled_back().await;
}

#[tokio::test]
async fn one_org_is_moved_and_failed_ones_are_retried_by_the_shipped_runbooks() {
    let mut world = World::ready(ONLINE).await;
    let org = world.orgs[0].name.to_string();
    let variable = format!("org={org}");
    run(&world, &[&shipped("move_one_org.md"), "--var", "migration=whole_org", "--var", &variable]).await.with_code(0);
    assert_eq!(world.states().await["migrated"], 1);
    run(&world, &["--rollback", "1", "--yes"]).await.with_code(0);
    assert_eq!(world.states().await["rolled_back"], 1);

    let (uncopied, unverified) = (world.orgs[1].clone(), world.orgs[2].clone());
    world.spoil(&uncopied, &unverified).await;
    world.exec(&format!("retry whole_org {org}")).await.with_code(0);
    world.exec("migrate whole_org all").await.with_code(1);
    assert_eq!(world.states().await["failed"], 2);
    world.mend().await;
    run(&world, &[&shipped("retry_failed.md"), "--var", "migration=whole_org", "--yes"]).await.with_code(0);
    world.assert_all_moved().await;
}

/// Each script records that it ran. Every second one kills Mover, which had begun it.
#[tokio::test]
async fn a_run_that_is_killed_at_each_step_goes_on_and_repeats_nothing() {
    let world = World::ready(ONLINE).await;
    let kill = |number: u32| format!("```sh\ntest -e {number} || {{ touch {number}; kill -9 $PPID $$; }}\n```\n");
    let note = |word: &str| format!("```sh\necho {word} >> done\n```\n");
    let source = format!(
        "# Killed\n{}{}{}\n```mover\nmigrate whole_org 3\n```\n{}{}\n```mover\nmigrate whole_org all\n```\n{}\n```expect\nwhole_org migrated = 8\n```\n",
        kill(1),
        note("one"),
        kill(2),
        note("two"),
        kill(3),
        note("three"),
    );
    let book = write(&world, &source).display().to_string();
    run(&world, &[&book, "--allow-shell"]).await.by_sigkill();
    // A resumed run uses the text with which it was begun, whatever the file says by now.
    std::fs::remove_file(&book).unwrap();
    for _ in 2..=3 {
        for _ in 0..2 {
            let unclear = run(&world, &["--resume", "1", "--allow-shell"]).await.with_code(1);
            assert!(unclear.said.contains("its outcome is unknown"), "{unclear}");
        }
        run(&world, &["--resume", "1", "--allow-shell", "--repeat"]).await.by_sigkill();
    }
    let last = [&["run", "--resume", "1", "--allow-shell", "--repeat"][..]].concat();
    Program::start(world.dir(), &last, Some("switch.desired")).end().await.by_sigkill();
    let ended = run(&world, &["--resume", "1", "--allow-shell"]).await.with_code(0);
    assert!(ended.answer.contains("run 1 is done"), "{ended}");
    assert_eq!(std::fs::read_to_string(world.dir().join("done")).unwrap(), "one\ntwo\nthree\n");
    let again = run(&world, &["--resume", "1", "--allow-shell"]).await.with_code(1);
    assert!(again.said.contains("has come to its end"), "{again}");
    world.assert_all_moved().await;
}

#[tokio::test]
async fn mistakes_are_told_with_their_places_before_anything_is_done() {
    let world = World::ready(ONLINE).await;
    let source = "+++\ntitle = \"Wrong\"\n[vars]\norg = { about = \"which\" }\n+++\n# Wrong\n```mover\ndarklaunch default cell=new\nmigrat whole_org {{org}}\n```\n\
        text\n  ```expect\n  whole_org migrated ~ 8\n  ```\n```mover when=\"now\"\nstatus {{nobody}}\n```\n";
    let book = write(&world, source).display().to_string();
    let refused = run(&world, &[&book, "--var", "who=me"]).await.with_code(2);
    for told in [
        "own.md:1:1: it has no variable \"who\"; its variables: org",
        "own.md:1:1: variable \"org\" (which) has no value; next: --var org=…",
        "own.md:9:1: ",
        "did you mean",
        "own.md:13:3: \"~\" does not compare",
        "own.md:15:10: \"when=\\\"now\\\"\" is unknown here",
        "own.md:16:8: variable \"nobody\" is unknown",
    ] {
        assert!(refused.said.contains(told), "{told:?} is not in {refused}");
    }
    let shell = write(&world, "```mover\ndarklaunch default cell=new\n```\n```sh\ntrue\n```\n").display().to_string();
    let refused = run(&world, &[&shell]).await.with_code(1);
    assert!(refused.said.contains("line 4: a step of the shell"), "{refused}");
    // A refused run is not recorded, as it would block the next one.
    let list = run(&world, &["--list"]).await.with_code(0);
    assert!(list.answer.contains("no runbook was run yet"), "{list}");
    let flags = world.exec("flags show default").await.with_code(0);
    assert!(flags.answer.contains("cell = \"old\""), "{flags}");
}

#[tokio::test]
async fn what_is_expected_is_waited_for_and_a_failed_step_can_be_skipped() {
    let world = World::ready(ONLINE).await;
    let source = "# Expecting\n```expect\nflag dl_default cell = old\nflag dl_default other = absent within 1s\nwhole_org ready >= 8\n\
        flag dl_default stage = two within 1s\n```\n```mover\ndarklaunch default stage=three\n```\n```expect\nflag dl_default stage != two\n```\n\
        ## Rollback\n```mover\ndarklaunch default stage=one\n```\n";
    let book = write(&world, source).display().to_string();
    let failed = run(&world, &[&book]).await.with_code(1);
    for told in ["after 1s it is still not so: dl_default stage is absent", "run --resume 1 --skip", "run --rollback 1"]
    {
        assert!(failed.said.contains(told), "{told:?} is not in {failed}");
    }
    let refused = run(&world, &[&book]).await.with_code(1);
    assert!(refused.said.contains("run 1 of \"Expecting\"") && refused.said.contains("--anew"), "{refused}");
    run(&world, &["--resume", "1", "--skip", "seen by hand"]).await.with_code(0);
    let report = std::fs::read_to_string(world.dir().join("run-1.md")).unwrap();
    assert!(report.contains("skipped") && report.contains("seen by hand"), "{report}");
    run(&world, &["--rollback", "1"]).await.with_code(0);
    let flags = world.exec("flags show default").await.with_code(0);
    assert!(flags.answer.contains("stage = \"one\""), "{flags}");
    let list = run(&world, &["--list"]).await.with_code(0);
    assert!(list.answer.contains("run 1  Expecting") && list.answer.contains("taken back at"), "{list}");
}

#[tokio::test]
async fn two_people_cannot_run_the_same_one_at_once() {
    let world = World::ready(ONLINE).await;
    let source = "# Waiting\n```expect\nflag dl_default go = true within 2m\n```\n";
    let book = write(&world, source).display().to_string();
    let first = Program::start(world.dir(), &["run", &book], None);
    let begun = async || run(&world, &["--list"]).await.answer.contains("run 1  Waiting");
    eventually("the first one has begun", begun).await;
    let second = run(&world, &[&book, "--anew"]).await.with_code(1);
    assert!(second.said.contains("another client is running \"Waiting\""), "{second}");
    world.exec("darklaunch default go=true").await.with_code(0);
    first.end().await.with_code(0);
    run(&world, &[&book]).await.with_code(0);
}

/// A server that answers 200 to the first request and 503 to all later ones, and records the requests.
fn server() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/organizations", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&asked);
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut line = String::new();
            BufReader::new(connection.try_clone().unwrap()).read_line(&mut line).unwrap();
            let mut notes = notes.lock().unwrap();
            notes.push(line.trim_end().to_owned());
            let status = if notes.len() == 1 { "200 OK" } else { "503 Service Unavailable" };
            let _ = write!(connection, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (address, asked)
}

#[tokio::test]
async fn a_server_is_asked_until_it_answers_as_expected() {
    let world = World::ready(ONLINE).await;
    let (address, asked) = server();
    let source = format!("# Asking\n```expect\nhttp POST {address} status 503 within 30s\n```\n");
    let book = write(&world, &source).display().to_string();
    let looked = run(&world, &[&book, "--dry-run"]).await.with_code(0);
    assert!(
        looked.answer.contains(&format!("would send POST {address}")) && asked.lock().unwrap().is_empty(),
        "{looked}"
    );
    let done = run(&world, &[&book]).await.with_code(0);
    assert!(done.answer.contains(&format!("POST {address} answers 503")), "{done}");
    assert_eq!(*asked.lock().unwrap(), ["POST /organizations HTTP/1.1"; 2]);
    let source = "# Nobody\n```expect\nhttp GET http://127.0.0.1:1/ status 200 within 1s\n```\n";
    let book = write(&world, source).display().to_string();
    let failed = run(&world, &[&book]).await.with_code(1);
    assert!(failed.said.contains("GET http://127.0.0.1:1/: "), "{failed}");
}
