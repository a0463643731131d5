//! `--connect`: commands of the program on a remote Mover, run on a machine without configuration.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::json;
use tempfile::TempDir;

use crate::gate::Gate;
use crate::program::{Ended, Program, eventually};
use crate::screen::{CTRL_C, ENTER, TAB, Terminal};
use crate::served::Served;
use crate::world::{OFFLINE, ONLINE};

/// A machine that has a token, and nothing else.
pub(crate) struct Workstation {
    dir: TempDir,
    url: String,
}

impl Workstation {
    pub(crate) fn of(served: &Served, token: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        write_token(&dir.path().join("token"), token, 0o600);
        Self { dir, url: served.url.clone() }
    }

    /// It knows Mover by this name.
    pub(crate) fn named(served: &Served, name: &str, token: &str) -> Self {
        let workstation = Self::of(served, token);
        Self { url: workstation.url.replace("127.0.0.1", name), ..workstation }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    fn arguments<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        [arguments, &["--connect", &self.url, "--token-file", "token"]].concat()
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Program {
        Program::start(self.dir(), &self.arguments(arguments), None)
    }

    pub(crate) async fn mover(&self, arguments: &[&str]) -> Ended {
        let ended = self.start(arguments).end().await;
        assert!(!self.dir().join(".mover").exists(), "no server of its own was started");
        ended
    }

    async fn console(&self, input: &str) -> Ended {
        Program::fed(self.dir(), &self.arguments(&["console"]), None, input).end().await
    }

    async fn console_that_keeps_going(&self, input: &str) -> Ended {
        Program::fed(self.dir(), &self.arguments(&["console", "--keep-going"]), None, input).end().await
    }
}

fn write_token(file: &Path, token: &str, mode: u32) {
    std::fs::write(file, format!("{token}\n")).unwrap();
    std::fs::set_permissions(file, PermissionsExt::from_mode(mode)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_elsewhere_is_a_console() {
    let mut served = Served::start(ONLINE).await;
    let workstation = Workstation::of(&served, &served.operator);
    std::fs::write(workstation.dir().join("orgs.txt"), "# the first\norg_0001\norg_0002\n").unwrap();
    let lines = "orgs list whole_org state=ready\nmover_manager:ping().\nhelp quit\nmigrat\n\
                 migrate whole_org @orgs.txt workers=1\nN = 3.\nmover_manager:migrate(N, 2, whole_org).\n\
                 moser_state_tracker:migrated_orgs(whole_org).\nmigrate whole_org all\nreport whole_org out=report.md\nstatus\n";
    let done = workstation.console_that_keeps_going(lines).await.with_code(1);
    for told in [
        "org_0008",
        "pong",
        "leave the console",
        "{ok,burning_couches}",
        "campaign 1 ended: 2 migrated, 0 failed",
        "campaign 3 ended: 3 migrated",
        "written to report.md",
        "8 of 8 orgs migrated",
    ] {
        assert!(done.answer.contains(told), "{told:?} is not in {done}");
    }
    assert!(done.said.contains("did you mean"), "{done}");
    assert!(std::fs::read_to_string(workstation.dir().join("report.md")).unwrap().contains("# whole_org"));
    // Under the name of the token, like everything that comes over HTTP.
    let audit = served.get(&served.viewer, "/api/v1/audit?limit=100").await.with(200);
    let given = audit["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|entry| entry["command"].as_str().unwrap().starts_with("migrate whole_org org_0001,org_0002"));
    let given = given.expect("the names went over, not the file");
    assert_eq!((&given["actor"], &given["door"]), (&json!("operator"), &json!("http")));
    let none = workstation.console("migrate whole_org all\nmover_manager:halt_actions().\n").await.with_code(1);
    assert!(none.said.contains("no org is ready"), "{none}");
    served.terminate().await.with_code(0);
    served.world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_is_shown_steered_left_and_goes_on() {
    let mut served = Served::start(OFFLINE).await;
    let workstation = Workstation::of(&served, &served.operator);
    let gate = Gate::in_copy(&served.world).await;
    let mut first = workstation.start(&["exec", "migrate whole_org_offline all pace=1"]);
    gate.is_reached().await;
    let busy = "mover_manager:migrate(all, 8, whole_org_offline).\nset concurrency 5\nmover_manager:ping().\n";
    let busy = workstation.console_that_keeps_going(busy).await.with_code(1);
    assert!(busy.answer.contains("{error,busy_now}\n"), "{busy}");
    assert!(busy.answer.contains("moves 5 orgs at once") && busy.answer.contains("pong"), "{busy}");
    assert!(busy.answer.contains("campaign 1 goes on: Mover at http"), "{busy}");
    // The first Ctrl-C halts it, the second detaches.
    first.signal(Signal::SIGINT);
    first.says("leaves it to itself").await;
    let halting = async || served.get(&served.viewer, "/api/v1/campaigns/1").await.with(200)["phase"] == "halting";
    eventually("it halts", halting).await;
    first.signal(Signal::SIGINT);
    let left = first.end().await.with_code(130);
    assert!(left.said.contains("left; Mover at http") && left.said.contains("halts"), "{left}");
    gate.open().await;
    let ended = async || served.get(&served.viewer, "/api/v1/campaigns/1").await.with(200)["phase"] == "ended";
    eventually("it ends", ended).await;
    workstation.mover(&["exec", "migrate whole_org_offline all"]).await.with_code(0);
    served.terminate().await.with_code(0);
    served.world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_follows_a_campaign_waits_while_mover_is_unreachable() {
    let mut served = Served::start(OFFLINE).await;
    let workstation = Workstation::of(&served, &served.operator);
    let gate = Gate::in_copy(&served.world).await;
    let mut follower = workstation.start(&["exec", "migrate whole_org_offline all", "--json"]);
    gate.is_reached().await;
    served.kill9().await.by_sigkill();
    follower.says("cannot be reached").await;
    gate.open().await;
    served.serve_again().await;
    let followed = follower.end().await.with_code(0);
    assert!(followed.said.contains("Mover answers again"), "{followed}");
    let told: serde_json::Value = serde_json::from_str(&followed.answer).unwrap();
    assert_eq!((&told["campaign"], &told["migrated"], &told["failed"]), (&json!(1), &json!(8), &json!(0)));
    // Sent once, whatever happened to the connection.
    let audit = served.get(&served.viewer, "/api/v1/audit?limit=100").await.with(200).to_string();
    assert_eq!(audit.matches("migrate whole_org_offline all").count(), 1, "{audit}");
    served.kill9().await.by_sigkill();
    let away = workstation.mover(&["exec", "status"]).await.with_code(1);
    assert!(away.said.contains("cannot be reached") && away.said.contains("mover serve runs there"), "{away}");
    served.world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_token_or_the_wrong_one_is_told_what_to_do() {
    let served = Served::start(ONLINE).await;
    let workstation = Workstation::of(&served, &served.viewer);
    let looks = workstation.mover(&["status"]).await.with_code(0);
    assert!(looks.answer.contains("whole_org  [") && looks.answer.contains("ready 8"), "{looks}");
    let json: serde_json::Value =
        serde_json::from_str(&workstation.mover(&["status", "whole_org", "--json"]).await.with_code(0).answer).unwrap();
    assert_eq!(json["migrations"][0]["ready"], 8);
    for (command, role) in [("migrate whole_org all", "operator"), ("finalize whole_org all", "admin")] {
        let refused = workstation.mover(&["exec", command]).await.with_code(1);
        assert!(refused.said.contains(&format!("takes a token with the role {role}")), "{refused}");
    }
    let connect = ["exec", "status", "--connect", &served.url];
    let none = Program::start(workstation.dir(), &connect, None).end().await.with_code(2);
    assert!(none.said.contains("MOVER_TOKEN") && none.said.contains("mover token create"), "{none}");
    write_token(&workstation.dir().join("wrong"), "mover_0000", 0o600);
    let wrong = [&connect[..], &["--token-file", "wrong"]].concat();
    let wrong = Program::start(workstation.dir(), &wrong, None).end().await.with_code(1);
    assert!(wrong.said.contains("refuses the token"), "{wrong}");
    write_token(&workstation.dir().join("open"), &served.viewer, 0o644);
    let open = [&connect[..], &["--token-file", "open"]].concat();
    let open = Program::start(workstation.dir(), &open, None).end().await.with_code(2);
    assert!(open.said.contains("can be read by others"), "{open}");
    let clear = ["exec", "status", "--connect", "http://mover.example.com", "--token-file", "token"];
    let clear = Program::start(workstation.dir(), &clear, None).end().await.with_code(2);
    assert!(clear.said.contains("would cross the network unencrypted"), "{clear}");
    for ended in [&none, &wrong, &open, &clear] {
        assert!(!ended.to_string().contains(&served.viewer[6..]), "a token was shown: {ended}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_much_is_asked_about_as_at_home() {
    let mut served = Served::start(ONLINE).await;
    let workstation = Workstation::of(&served, &served.admin);
    workstation.mover(&["exec", "migrate whole_org all"]).await.with_code(0);
    let refused = workstation.mover(&["exec", "finalize whole_org all"]).await.with_code(1);
    assert!(refused.said.contains("The way back is closed for 8 orgs") && refused.said.contains("--yes"), "{refused}");
    let done = workstation.mover(&["exec", "finalize whole_org all", "--yes"]).await.with_code(0);
    assert!(done.answer.contains("8 finalized, 0 failed"), "{done}");
    served.terminate().await.with_code(0);
    served.world.assert_all_finalized().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_needs_approval_waits_for_it() {
    let mut served = Served::with(OFFLINE, "second_person = true").await;
    let workstation = Workstation::of(&served, &served.operator);
    let second = Workstation::of(&served, &served.admin);
    let waits = async |workstation: &Workstation| {
        let mut given = workstation.start(&["exec", "migrate whole_org_offline all"]);
        let said = given.says("must approve it").await;
        let (_, id) = said.split_once("is command ").unwrap();
        (given, id.split(',').next().unwrap().to_owned())
    };
    let (given, id) = waits(&workstation).await;
    let own = workstation.mover(&["exec", &format!("approve {id}")]).await.with_code(1);
    assert!(own.said.contains("cannot approve it"), "{own}");
    second.mover(&["exec", &format!("refuse {id}")]).await.with_code(0);
    let refused = given.end().await.with_code(1);
    assert!(refused.said.contains("was not approved by admin"), "{refused}");
    let (given, _) = waits(&workstation).await;
    given.signal(Signal::SIGINT);
    let left = given.end().await.with_code(130);
    assert!(left.said.contains("still waits for approval"), "{left}");
    // Approved, and Mover was killed before it began.
    let (given, id) = waits(&workstation).await;
    served.kill9().await.by_sigkill();
    let approve =
        "UPDATE mover.command_history SET approved = true, approved_by = 'admin', approved_at = now() WHERE id = $1";
    served.move_log().await.execute(approve, &[&id.parse::<i64>().unwrap()]).await.unwrap();
    served.serve_again().await;
    let abandoned = given.end().await.with_code(1);
    assert!(abandoned.said.contains("its outcome is unknown"), "{abandoned}");

    let (given, id) = waits(&workstation).await;
    let approved = second.mover(&["exec", &format!("approve {id}")]).await.with_code(0);
    assert!(approved.answer.contains("8 migrated, 0 failed"), "{approved}");
    given.end().await.with_code(0);
    served.terminate().await.with_code(0);
    served.world.assert_all_moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_elsewhere_is_a_console_on_a_terminal_too() {
    let mut served = Served::start(ONLINE).await;
    let workstation = Workstation::of(&served, &served.operator);
    let mut terminal = Terminal::open(workstation.dir(), &workstation.arguments(&[]));
    terminal.prompts().await;
    // Completion offers the names that are known there.
    terminal.press(&format!("orgs list whole_org_o{TAB}"));
    terminal.ends_with("mover> orgs list whole_org_offline").await;
    terminal.press(CTRL_C);
    terminal.prompts().await;
    terminal.press(&format!("org org_00{TAB}"));
    terminal.until("those orgs", |screen| screen.contains("org_0001") && screen.contains("org_0008")).await;
    terminal.press(CTRL_C);
    terminal.prompts().await;
    terminal.press(&format!("migrate whole_org all workers=1 sleep=1500 pace=1{ENTER}"));
    terminal.shows("b background").await;
    terminal.press("p");
    terminal.shows("paused").await;
    terminal.press("p");
    terminal.press("b");
    terminal.shows("it goes on in the background").await;
    terminal.prompts().await;
    terminal.press(&format!("status --watch{ENTER}"));
    terminal.shows("b background").await;
    terminal.press("b");
    terminal.prompts().await;
    terminal.press(&format!("set sleep_time 0{ENTER}"));
    terminal.shows("waits 0 ms after each block").await;
    let ended = async || served.get(&served.viewer, "/api/v1/campaigns/1").await.with(200)["phase"] == "ended";
    eventually("the campaign ends", ended).await;
    terminal.leave().await;
    served.terminate().await.with_code(0);
    served.world.assert_all_moved().await;
}
