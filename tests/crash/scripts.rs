//! Lines that are piped into the console: they stop where a person would have stopped.

use std::collections::BTreeMap;

use super::original_system::WINDOW;
use super::program::Program;
use super::quiet_stores::QuietStores;

/// From now on no org can be copied.
async fn spoil(still: &QuietStores) {
    still
        .new_store()
        .await
        .batch_execute("ALTER TABLE organizations ADD CONSTRAINT none CHECK (id IS NULL)")
        .await
        .unwrap();
}

async fn console(still: &QuietStores, arguments: &[&str], lines: &str) -> super::program::Ended {
    Program::fed(still.dir(), &[&["console"], arguments].concat(), None, lines).end().await
}

#[tokio::test]
async fn a_script_stops_at_the_first_trouble_and_says_where() {
    let still = QuietStores::new().await;
    // All four migrations of the window are refused.
    still.new_store().await.batch_execute("DROP TABLE organizations CASCADE").await.unwrap();
    let stopped = console(&still, &["--yes"], WINDOW).await.with_code(1);
    assert!(stopped.said.contains("stopped at line 5: what follows it was not carried out; --keep-going"), "{stopped}");
    let default = BTreeMap::from([("orgs_503_mode".to_owned(), "true".to_owned())]);
    assert_eq!(still.flags("dl_default").await, default, "the endpoints stay where they are");

    // Whoever wants that gets it, and the exit code all the same.
    let went_on = console(&still, &["--yes", "--keep-going"], WINDOW).await.with_code(1);
    assert!(!went_on.said.contains("stopped at line"), "{went_on}");
    assert_eq!(still.flags("dl_default").await["couchdb_organizations"], "false");
}

#[tokio::test]
async fn a_script_stops_at_orgs_that_failed_and_at_rows_that_differ() {
    let still = QuietStores::new().await;
    let lines = "orgs capture whole_org_offline\norgs ready whole_org_offline all\n\
                 migrate whole_org_offline all sleep=0\ndarklaunch no-org reached=true\n";
    spoil(&still).await;
    let stopped = console(&still, &[], lines).await.with_code(1);
    assert!(stopped.answer.contains("0 migrated, 6 failed"), "{stopped}");
    assert!(stopped.said.contains("stopped at line 3"), "{stopped}");
    assert_eq!(still.flags("dl_org__OC_INTERNAL_NO_ORG").await.get("reached"), None);

    still.new_store().await.batch_execute("ALTER TABLE organizations DROP CONSTRAINT none").await.unwrap();
    let lines = "retry whole_org_offline failed\nmigrate whole_org_offline all sleep=0\n";
    console(&still, &[], lines).await.with_code(0);
    still
        .new_store()
        .await
        .batch_execute("UPDATE organizations SET full_name = 'other' WHERE name = 'org_0001'")
        .await
        .unwrap();
    let lines = "verify whole_org_offline all\ndarklaunch no-org reached=true\n";
    let stopped = console(&still, &[], lines).await.with_code(1);
    assert!(
        stopped.answer.contains("6 orgs compared, 1 differ") && stopped.said.contains("stopped at line 1"),
        "{stopped}"
    );
    assert_eq!(still.flags("dl_org__OC_INTERNAL_NO_ORG").await.get("reached"), None);
}

/// What is written while a window copies is missing in the target, and nothing would notice.
#[tokio::test]
async fn a_window_whose_writers_were_not_kept_out_asks_first() {
    let still = QuietStores::new().await;
    let refused = still.mover(&["exec", "migrate org all sleep=0"]).await.with_code(1);
    assert!(
        refused.said.contains("orgs_503_mode in dl_default is not true") && refused.said.contains("--yes"),
        "{refused}"
    );
    assert_eq!(still.states("org").await, BTreeMap::new());
    let warned = still.exec("migrate org all sleep=0").await.with_code(0);
    assert!(warned.said.contains("may be missing in the target"), "{warned}");
    let closed = QuietStores::new().await;
    closed.exec("darklaunch orgs-503 on").await.with_code(0);
    closed.mover(&["exec", "migrate org all sleep=0"]).await.with_code(0);
}
