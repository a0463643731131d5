//! The console in a terminal.

use super::quiet_stores::QuietStores;
use super::screen::{CTRL_C, ENTER, TAB, Terminal};

const CTRL_R: &str = "\x12";

fn open(still: &QuietStores) -> Terminal {
    Terminal::open(still.dir(), &[])
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
