//! The console in a terminal.

use super::quiet_stores::QuietStores;
use super::screen::{CTRL_C, ENTER, TAB, Terminal};

const CTRL_R: &str = "\x12";

fn open(still: &QuietStores) -> Terminal {
    Terminal::open(still.dir(), &[])
}

/// Gives the terminal another size, as a person who drags its border.
fn resize(terminal: &Terminal, rows: u16, columns: u16) {
    let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&*terminal.keys, size).unwrap();
}

async fn ready() -> QuietStores {
    let still = QuietStores::new().await;
    for command in ["orgs capture whole_org_offline", "orgs ready whole_org_offline all"] {
        still.exec(command).await.with_code(0);
    }
    still
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_completes_hints_and_remembers() {
    let still = ready().await;
    let mut terminal = open(&still);
    terminal.prompts().await;
    terminal.press(&format!("orgs li{TAB}"));
    // The rest of the syntax is a hint.
    terminal.ends_with("mover> orgs list MIGRATION").await;
    terminal.press(&format!("whole_org_o{TAB}state=rea{TAB}"));
    terminal.ends_with("mover> orgs list whole_org_offline state=ready").await;
    terminal.press(ENTER);
    terminal.shows("org_0006").await;
    terminal.prompts().await;
    terminal.press(&format!("org org_000{TAB}"));
    terminal
        .until("several orgs", |screen| screen.trim_end().ends_with("org_0006") && screen.contains("org org_000"))
        .await;
    terminal.press(CTRL_C);
    terminal.prompts().await;
    terminal.press(&format!("mover_manager:pi{TAB}{ENTER}"));
    terminal.shows("pong").await;
    terminal.press(&format!("mover_manager:migrate(all,{ENTER}"));
    terminal.ends_with(":::").await;
    terminal.press(CTRL_C);
    terminal.prompts().await;
    terminal.leave().await;

    let mut terminal = open(&still);
    terminal.prompts().await;
    terminal.press(&format!("{CTRL_R}state"));
    terminal.shows("orgs list whole_org_offline state=ready").await;
    terminal.press(CTRL_C);
    terminal.press(CTRL_C);
    terminal.prompts().await;
    terminal.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_campaign_is_shown_steered_left_and_found_again() {
    let still = ready().await;
    let mut terminal = open(&still);
    terminal.prompts().await;
    terminal.press(&format!("migrate whole_org_offline all workers=1 sleep=1500 pace=1{ENTER}"));
    terminal.shows("b background").await;
    terminal.shows(" drain").await;
    terminal.press("p");
    terminal.shows("paused").await;
    terminal.press("p+");
    terminal.until("two orgs at work", |screen| screen.matches(" drain").count() == 2).await;
    terminal.press("b");
    terminal.shows("it goes on in the background").await;
    terminal.prompts().await;
    // The typed text stays complete while log lines arrive.
    terminal.press("set sleep");
    terminal.press(&format!("_time 0{ENTER}"));
    terminal.shows("waits 0 ms after each block").await;
    terminal.press("stat");
    terminal.shows("the campaign has ended").await;
    terminal.ends_with("mover> stat").await;
    terminal.press(&format!("us --watch{ENTER}"));
    terminal.shows("100%").await;
    terminal.prompts().await;
    terminal.leave().await;
    assert_eq!(still.states("whole_org_offline").await.get("migrated"), Some(&6));
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_halts_what_is_shown_and_a_wrong_answer_changes_nothing() {
    let still = ready().await;
    let mut terminal = open(&still);
    terminal.prompts().await;
    terminal.press(&format!("migrate whole_org_offline all workers=1 sleep=700 pace=1{ENTER}"));
    terminal.shows(" drain").await;
    terminal.press(CTRL_C);
    terminal.shows("campaign 1 ended: 1 migrated, 0 failed").await;
    terminal.prompts().await;
    terminal.press(&format!("darklaunch default cell=new{ENTER}"));
    terminal.shows("Type dl_default to go on:").await;
    terminal.press(&format!("yes{ENTER}"));
    terminal.shows("nothing was done").await;
    terminal.press(&format!("darklaunch default cell=new{ENTER}"));
    terminal.until("asked again", |screen| screen.matches("Type dl_default").count() == 2).await;
    terminal.press(&format!("dl_default{ENTER}"));
    terminal.shows("cell = \"new\"").await;
    terminal.prompts().await;
    terminal.leave().await;
    assert_eq!(still.flags("dl_default").await["cell"], "new");
    assert_eq!(still.states("whole_org_offline").await.get("migrated"), Some(&1));
}

/// A paste goes on while its commands run: no line is lost, and none comes before another.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_pasted_lines_are_all_carried_out_in_their_order() {
    let still = ready().await;
    let mut terminal = open(&still);
    terminal.prompts().await;
    let mut lines = String::new();
    for number in 0..100 {
        lines.push_str(&format!("darklaunch no-org line_{number:03}=x{ENTER}"));
        if number == 50 {
            // The live view reads the terminal meanwhile.
            lines.push_str(&format!("migrate whole_org_offline all sleep=0{ENTER}"));
        }
        lines.push_str(&format!("org org_0001{ENTER}"));
    }
    lines.push_str(&format!("darklaunch no-org last=x{ENTER}"));
    terminal.press(&lines);
    terminal.until("the last line", |screen| screen.contains("last = \"x\"")).await;
    terminal.prompts().await;
    terminal.leave().await;
    assert_eq!(still.flags("dl_org__OC_INTERNAL_NO_ORG").await.len(), 101);
    let told = still.mover(&["exec", "--json", "history limit=1000"]).await.with_code(0);
    let history: serde_json::Value = serde_json::from_str(&told.answer).unwrap();
    let commands = history["commands"].as_array().unwrap().iter().map(|entry| entry["command"].as_str().unwrap());
    let given: Vec<&str> = commands.filter(|command| command.starts_with("darklaunch no-org line_")).collect();
    assert!(given.is_sorted() && given.len() == 100, "{given:?}");
    assert_eq!(
        history["commands"].as_array().unwrap().iter().filter(|one| one["command"] == "org org_0001").count(),
        100
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_no_the_rest_of_a_paste_is_dropped() {
    let still = ready().await;
    let mut terminal = open(&still);
    terminal.prompts().await;
    // The question takes the next line of the paste for its answer.
    let lines = [
        "darklaunch default cell=new",
        "darklaunch no-org two=x",
        "darklaunch no-org three=x",
        "darklaunch no-org four=x",
    ];
    terminal.press(&lines.map(|line| format!("{line}{ENTER}")).concat());
    terminal.shows("2 lines that were typed or pasted after it are dropped").await;
    terminal.prompts().await;
    terminal.leave().await;
    assert_eq!(still.flags("dl_default").await.get("cell"), None);
    assert_eq!(still.flags("dl_org__OC_INTERNAL_NO_ORG").await.len(), 0);
}

/// Whoever only looks must be able to stop looking.
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_in_a_watch_leaves_the_watch() {
    let still = ready().await;
    let mut terminal = open(&still);
    terminal.prompts().await;
    terminal.press(&format!("migrate whole_org_offline all workers=1 sleep=1000 pace=1{ENTER}"));
    terminal.shows("Ctrl-C halts").await;
    terminal.press("b");
    terminal.prompts().await;
    terminal.press(&format!("status --watch{ENTER}"));
    terminal.shows("Ctrl-C leaves").await;
    terminal.press(CTRL_C);
    terminal.prompts().await;
    terminal.press(&format!("set sleep_time 0{ENTER}"));
    terminal.shows("waits 0 ms after each block").await;
    terminal.press(&format!("mover_util:wait_for_status().{ENTER}"));
    terminal.shows("{state,ready}").await;
    terminal.prompts().await;
    terminal.leave().await;
    assert_eq!(still.states("whole_org_offline").await.get("migrated"), Some(&6));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_live_view_fits_narrow_terminals_and_survives_a_resize() {
    let still = ready().await;
    for columns in [80, 60] {
        let migrate = format!("migrate whole_org_offline 2 workers=1 sleep=1500 pace=1{ENTER}");
        let mut terminal = Terminal::sized(still.dir(), &[], (24, columns));
        terminal.prompts().await;
        terminal.press(&migrate);
        let is_whole = |screen: &String| {
            let (bars, keys) = (screen.matches("%").count(), screen.contains("Ctrl-C halts"));
            bars == 1
                && keys
                && screen.contains("in flight")
                && screen.contains("b background")
                && !screen.contains("…")
        };
        terminal.until("the whole view", is_whole).await;
        // Narrower, and wider again: one bar, and nothing of the one before.
        resize(&terminal, 24, 50);
        terminal.until("the whole view, narrower", is_whole).await;
        resize(&terminal, 24, columns);
        let is_once = |screen: &String| is_whole(screen) && screen.matches("whole_org_offline [").count() == 1;
        terminal.until("the whole view once, wider again", is_once).await;
        terminal.press("b");
        terminal.prompts().await;
        terminal.press(&format!("set sleep_time 0{ENTER}"));
        terminal.press(&format!("status --watch{ENTER}"));
        terminal.prompts().await;
        terminal.press(&format!("mover_util:wait_for_status().{ENTER}"));
        terminal.shows("{state,ready}").await;
        terminal.prompts().await;
        terminal.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_stops_at_each_screenful_and_the_prompt_says_where_one_is() {
    let still = ready().await;
    let mut terminal = Terminal::sized(still.dir(), &[], (20, 100));
    terminal.ends_with("/mover mover>").await;
    terminal.press(&format!("help{ENTER}"));
    let first = |screen: &String| screen.contains("-- more: Enter, q") && !screen.contains("leave the console");
    terminal.until("the first screenful", |screen| first(screen) && screen.contains("orgs capture")).await;
    terminal.press(" ");
    terminal
        .until("the second screenful", |screen| !screen.contains("orgs capture") && screen.contains("-- more"))
        .await;
    terminal.press("q");
    terminal.prompts().await;
    terminal.leave().await;
}
