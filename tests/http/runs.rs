//! `mover run --connect`: the steps here, the commands and the journal there.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::connect::Workstation;
use crate::gate::Gate;
use crate::program::{Ended, Program, eventually};
use crate::served::{Served, token};
use crate::world::{OFFLINE, ONLINE};

fn write(workstation: &Workstation, source: &str) {
    std::fs::write(workstation.dir().join("own.md"), source).unwrap();
}

/// Runs the workstation's own runbook, or what else is said.
async fn run(workstation: &Workstation, arguments: &[&str]) -> Ended {
    workstation.mover(&[&["run"], arguments].concat()).await
}

async fn audit(served: &Served) -> Vec<Value> {
    let audit = served.get(&served.viewer, "/api/v1/audit?limit=100").await.with(200);
    audit["items"].as_array().unwrap().clone()
}

async fn times(served: &Served, command: &str) -> usize {
    audit(served).await.iter().filter(|entry| entry["command"] == command).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runbook_runs_elsewhere_to_its_end_and_back() {
    let mut served = Served::start(ONLINE).await;
    let workstation = Workstation::of(&served, &served.operator);
    write(
        &workstation,
        "+++\ntitle = \"Elsewhere\"\n[vars]\nmigration = { about = \"which\" }\n+++\n# Elsewhere\n\
         ```expect\n{{migration}} ready = 8\nflag dl_default cell = old\n```\n\
         ```sh\necho \"run $MOVER_RUN\" > here\n```\n\
         ```mover confirm=\"Now?\"\nmigrate {{migration}} 3\napplication:set_env(mover, sleep_time, 20).\n\
         mover_manager:migrate(all, 4, mover_whole_org_migration_callback).\n```\n\
         ```expect\n{{migration}} migrated = 8\n```\n## Rollback\n```mover\nrollback {{migration}} all\n```\n",
    );
    let given = ["own.md", "--var", "migration=whole_org", "--allow-shell"];
    let looked = run(&workstation, &[&given[..], &["--dry-run"]].concat()).await.with_code(0);
    assert!(looked.answer.contains("is so now: whole_org has 8 orgs ready"), "{looked}");
    assert!(looked.answer.contains("is so now: dl_default cell is \"old\""), "{looked}");
    let asked = run(&workstation, &given).await.with_code(1);
    assert!(asked.said.contains("asks \"Now?\"") && asked.said.contains("--resume 1 --yes"), "{asked}");
    let done = run(&workstation, &["--resume", "1", "--yes", "--allow-shell"]).await.with_code(0);
    assert!(done.answer.contains("run 1 is done"), "{done}");
    assert_eq!(std::fs::read_to_string(workstation.dir().join("here")).unwrap(), "run 1\n");
    let report = std::fs::read_to_string(workstation.dir().join("run-1.md")).unwrap();
    assert!(report.contains("begun by operator at 20") && report.contains("8 orgs migrated"), "{report}");
    let given: Vec<_> = audit(&served).await.into_iter().filter(|entry| entry["door"] == "run 1").collect();
    assert!(given.iter().all(|entry| entry["actor"] == "operator" && entry["origin"] == "127.0.0.1"), "{given:?}");
    assert!(given.len() >= 2, "{given:?}");
    let list = run(&workstation, &["--list"]).await.with_code(0);
    assert!(list.answer.contains("run 1  Elsewhere  begun by operator"), "{list}");
    // A run that was begun remotely is rolled back on Mover's machine, and the other way round.
    run(&workstation, &["--rollback", "1"]).await.with_code(0);
    let ended = run(&workstation, &["--resume", "1"]).await.with_code(1);
    assert!(ended.said.contains("has come to its end"), "{ended}");
    served.terminate().await.with_code(0);
    served.world.assert_all_rolled_back().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_killed_goes_on_and_nothing_is_done_twice() {
    let mut served = Served::start(OFFLINE).await;
    let workstation = Workstation::of(&served, &served.operator);
    write(
        &workstation,
        "# Killed\n```mover\ndarklaunch org org_0001 note=once\n```\n```sh\ntest -e 1 || { touch 1; kill -9 $PPID $$; }\n```\n\
         ```mover\nmigrate whole_org_offline all\n```\n",
    );
    run(&workstation, &["own.md", "--allow-shell"]).await.by_sigkill();
    // No other client gets it while its owner may still live.
    let busy = run(&workstation, &["--resume", "1", "--allow-shell"]).await.with_code(1);
    assert!(busy.said.contains("another client is running \"Killed\""), "{busy}");
    // A restarted Mover has lost all leases, and so has Postgres.
    served.kill9().await.by_sigkill();
    served.serve_again().await;
    let unclear = run(&workstation, &["--resume", "1", "--allow-shell"]).await.with_code(1);
    assert!(unclear.said.contains("its outcome is unknown"), "{unclear}");
    let gate = Gate::in_copy(&served.world).await;
    let resumed = workstation.start(&["run", "--resume", "1", "--allow-shell", "--repeat"]);
    gate.is_reached().await;
    resumed.kill9().await.by_sigkill();
    served.kill9().await.by_sigkill();
    gate.open().await;
    served.serve_again().await;
    let done = run(&workstation, &["--resume", "1", "--allow-shell"]).await.with_code(0);
    assert!(done.answer.contains("campaign 1 of whole_org_offline ended: 8 migrated"), "{done}");
    assert_eq!(times(&served, "migrate whole_org_offline all").await, 1);
    assert_eq!(times(&served, "darklaunch org org_0001 note=once").await, 1);
    served.terminate().await.with_code(0);
    served.world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_when_mover_was_away() {
    let mut served = Served::start(OFFLINE).await;
    let workstation = Workstation::of(&served, &served.operator);
    write(
        &workstation,
        "# Away\n```mover\nmigrate whole_org_offline all\n```\n```sh\ntouch waits\nwhile ! test -e go; do sleep 0.01; done\n```\n\
         ```mover\ndarklaunch org org_0001 note=after\n```\n",
    );
    let gate = Gate::in_copy(&served.world).await;
    let mut running = workstation.start(&["run", "own.md", "--allow-shell"]);
    gate.is_reached().await;
    served.kill9().await.by_sigkill();
    running.says("cannot be reached").await;
    gate.open().await;
    served.serve_again().await;
    eventually("the script runs", async || workstation.dir().join("waits").exists()).await;
    // It has lost the leases by then.
    served.kill9().await.by_sigkill();
    std::fs::write(workstation.dir().join("go"), "").unwrap();
    running.says("the journal of this run is written when it answers").await;
    served.serve_again().await;
    let done = running.end().await.with_code(0);
    assert!(done.answer.contains("run 1 is done"), "{done}");
    assert_eq!(times(&served, "migrate whole_org_offline all").await, 1);
    assert_eq!(times(&served, "darklaunch org org_0001 note=after").await, 1);
    served.terminate().await.with_code(0);
    served.world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_hangs_loses_its_run_to_the_next_client() {
    let mut served = Served::start(ONLINE).await;
    served.terminate().await.with_code(0);
    let path = served.world.dir().join("mover.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("lease_ms = ", "lease_ms = 1000 # ")).unwrap();
    served.serve().await;
    let (workstation, other) = (Workstation::of(&served, &served.operator), Workstation::of(&served, &served.admin));
    let waits = "test -e go || { touch waits; while ! test -e go; do sleep 0.01; done; }";
    write(&workstation, &format!("# Hanging\n```sh\n{waits}\n```\n```mover\ndarklaunch org org_0001 note=once\n```\n"));
    let hangs = workstation.start(&["run", "own.md", "--allow-shell"]);
    eventually("its script waits", async || workstation.dir().join("waits").exists()).await;
    hangs.signal(Signal::SIGSTOP);
    std::fs::write(other.dir().join("go"), "").unwrap();
    let resume = async || run(&other, &["--resume", "1", "--allow-shell", "--repeat"]).await.status.success();
    eventually("another client continues it", resume).await;
    std::fs::write(workstation.dir().join("go"), "").unwrap();
    hangs.signal(Signal::SIGCONT);
    let lost = hangs.end().await.with_code(1);
    assert!(lost.said.contains("another client has continued this run"), "{lost}");
    assert_eq!(times(&served, "darklaunch org org_0001 note=once").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_elsewhere_is_not_given_again_where_mover_runs() {
    let mut served = Served::with(OFFLINE, "second_person = false").await;
    let workstation = Workstation::of(&served, &served.operator);
    write(
        &workstation,
        "# Some\n```mover\nmigrate whole_org_offline 3\n```\n```expect\nflag dl_default go = true within 0s\n```\n",
    );
    run(&workstation, &["own.md"]).await.with_code(1);
    // As if the client had been killed before it learned of the campaign.
    let forget = "UPDATE mover.runbook_step SET state = 'begun', campaign = NULL, ended_at = NULL WHERE number = 1";
    assert_eq!(served.move_log().await.execute(forget, &[]).await.unwrap(), 1);
    served.terminate().await.with_code(0);
    served.world.mover(&["run", "--resume", "1", "--yes"]).await.with_code(1);
    let counted = "SELECT count(*) FROM mover.org_migration_state WHERE state = 'migrated'";
    assert_eq!(served.move_log().await.query_one(counted, &[]).await.unwrap().get::<_, i64>(0), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_lock_was_lost_stops_when_another_client_has_continued_it() {
    let mut served = Served::start(ONLINE).await;
    let (workstation, home) = (Workstation::of(&served, &served.operator), served.world.dir().to_owned());
    let waits = "test -e go || { touch waits; while ! test -e go; do sleep 0.01; done; }";
    std::fs::write(home.join("own.md"), format!("# Locked\n```sh\n{waits}\n```\n```mover\nnodes\n```\n")).unwrap();
    let first = Program::start(&home, &["run", "own.md", "--allow-shell"], None);
    eventually("its script waits", async || home.join("waits").exists()).await;
    let end =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1297044073";
    assert_eq!(served.move_log().await.query_one(end, &[]).await.unwrap().get::<_, i64>(0), 1);
    std::fs::write(workstation.dir().join("go"), "").unwrap();
    let resume = async || run(&workstation, &["--resume", "1", "--allow-shell", "--repeat"]).await.status.success();
    eventually("another client continues it", resume).await;
    std::fs::write(home.join("go"), "").unwrap();
    let lost = first.end().await.with_code(1);
    assert!(lost.said.contains("another client has continued this run"), "{lost}");
    assert_eq!(times(&served, "nodes").await, 1);
    served.terminate().await.with_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_cannot_run_the_same_one_at_once() {
    let mut served = Served::start(ONLINE).await;
    let (workstation, other) = (Workstation::of(&served, &served.operator), Workstation::of(&served, &served.admin));
    let source = "# Waiting\n```expect\nflag dl_default go = true within 2m\n```\n";
    write(&workstation, source);
    write(&other, source);
    let first = workstation.start(&["run", "own.md"]);
    let begun = async || served.get(&served.viewer, "/api/v1/runs").await.text.contains("Waiting");
    eventually("the first one has begun", begun).await;
    for arguments in [["own.md", "--anew"].as_slice(), &["--resume", "1"]] {
        let second = run(&other, arguments).await.with_code(1);
        assert!(second.said.contains("another client is running \"Waiting\""), "{second}");
    }
    // Nor where Mover runs.
    let home = served.world.mover(&["run", "--resume", "1"]).await.with_code(1);
    assert!(home.said.contains("another client is running \"Waiting\""), "{home}");
    // A hold must be a secret that cannot be guessed.
    let step = |hold: &str| json!({ "hold": hold, "number": 1, "state": "done" });
    let path = "/api/v1/runs/1/steps";
    served.post(&served.admin, path, &step("x")).await.refused(409, "not-held");
    served.post(&served.viewer, path, &step("x")).await.refused(403, "forbidden");
    served.command(&served.admin, "darklaunch default go=true").await.refused(409, "confirmation-needed");
    let confirmed = json!({ "command": "darklaunch default go=true", "confirm": "dl_default" });
    served.post(&served.admin, "/api/v1/commands", &confirmed).await.with(200);
    first.end().await.with_code(0);
    // The lease was released.
    run(&other, &["own.md"]).await.with_code(0);
    let viewer = Workstation::of(&served, &served.viewer);
    write(&viewer, source);
    let refused = run(&viewer, &["own.md"]).await.with_code(1);
    assert!(refused.said.contains("running a runbook takes a token with the role operator"), "{refused}");
    served.terminate().await.with_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_waits_for_approval_by_another_user() {
    let mut served = Served::with(OFFLINE, "second_person = true").await;
    let workstation = Workstation::of(&served, &served.operator);
    let dave = token(&served.world, "dave", "operator").await;
    write(
        &workstation,
        "# Two\n```mover\nmigrate whole_org_offline all\n```\n```expect\nwhole_org_offline migrated = 8\n```\n",
    );
    let mut running: Program = workstation.start(&["run", "own.md"]);
    running.says("must approve it").await;
    running.signal(Signal::SIGINT);
    let left = running.end().await.with_code(1);
    assert!(left.said.contains("still waits for approval") && left.said.contains("--resume 1"), "{left}");
    // A resumed run waits for the same command.
    let mut resumed = workstation.start(&["run", "--resume", "1"]);
    let said = resumed.says("must approve it").await;
    let (_, id) = said.split_once("is command ").unwrap();
    let path = format!("/api/v1/commands/{}/approval", id.split(',').next().unwrap());
    eventually("the new token is known", async || served.get(&dave, "/api/v1/me").await.status == 200).await;
    served.post(&dave, &path, &json!({ "approve": true })).await.with(200);
    resumed.end().await.with_code(0);
    let given = audit(&served).await;
    let given: Vec<_> = given.iter().filter(|entry| entry["command"] == "migrate whole_org_offline all").collect();
    assert_eq!(given.len(), 1, "{given:?}");
    assert_eq!((&given[0]["door"], &given[0]["approved_by"]), (&json!("run 1"), &json!("dave")));
    served.terminate().await.with_code(0);
    served.world.assert_all_moved().await;
}
