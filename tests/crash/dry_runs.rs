//! What a runbook would do, and what is wrong with it, before its first step.

use std::collections::BTreeMap;

use super::program::Ended;
use super::quiet_stores::QuietStores;

fn shipped(name: &str) -> String {
    format!("{}/runbooks/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn told(looked: &Ended, texts: &[&str]) {
    for text in texts {
        assert!(looked.answer.contains(text), "{text:?} is missing in: {looked}");
    }
}

#[tokio::test]
async fn a_dry_run_of_every_shipped_runbook_says_what_would_happen() {
    let still = QuietStores::new().await;
    let (online, org) = ("migration=whole_org", "org=org_0001");
    let dry = async |name: &str, vars: &[&str]| {
        let book = shipped(name);
        let mut arguments = vec!["run", book.as_str(), "--dry-run"];
        vars.iter().for_each(|var| arguments.extend(["--var", *var]));
        still.mover(&arguments).await.with_code(0)
    };
    told(
        &dry("phase_2.md", &["first=org_0001"]).await,
        &[
            "would add 1 orgs to holding; 0 are known",
            "would release 1 of 1 orgs that would be holding",
            "would migrate 1 of 1 orgs that would be ready",
            "would capture 5 orgs that are new, each after flags that force it to the old components",
            "would set dl_default: couchdb_containers absent -> \"false\"",
            "would be so: dl_default couchdb_containers would be \"false\"",
            "would release 5 of 5 orgs",
            "would migrate 5 of 5 orgs",
            "would be so: phase_2 would have 0 orgs holding, if none fails",
        ],
    );
    told(
        &dry("canary.md", &[online]).await,
        &[
            "would capture 6 orgs that are new",
            "would be so: whole_org would have 0 orgs ready",
            "would release 1 of 6 orgs that would be holding",
            "would migrate 1 of 1 orgs that would be ready",
            "would compare the rows of 1 orgs in both stores",
            "would migrate 5 of 5 orgs that would be ready",
        ],
    );
    told(
        &dry("org_downtime_window.md", &[]).await,
        &[
            "would set dl_default: orgs_503_mode absent -> \"true\"",
            "would capture 6 orgs that are new; would migrate 6 of 6 orgs",
        ],
    );
    told(&dry("move_one_org.md", &[online, org]).await, &["would add 1 orgs to holding", "would migrate 1 of 1 orgs"]);
    told(&dry("upgrade_stage1_stage2.md", &[online]).await, &["would run in the shell", "would migrate 6 of 6 orgs"]);
    told(
        &dry("retry_failed.md", &[online]).await,
        &["would retry 0 of 0 orgs that are failed", "the run would stop here"],
    );
    told(&dry("rollback.md", &[online]).await, &["would rollback 0 of 0 orgs that are migrated"]);
    assert_eq!((still.states("whole_org").await, still.states("phase_2").await), (BTreeMap::new(), BTreeMap::new()));
    assert_eq!(still.flags("dl_default").await, BTreeMap::new());
}

#[tokio::test]
async fn names_in_a_runbook_are_checked_before_its_first_step() {
    let still = QuietStores::new().await;
    let book = "# Book\n```mover\ndarklaunch no-org reached=true\norgs add org_0001,nobody whole_org\nmigrate whole_orgs all\n```\n\
                ```expect\nphase_3 failed = 0\n```\n";
    std::fs::write(still.dir().join("book.md"), book).unwrap();
    for arguments in [&["run", "book.md"][..], &["run", "book.md", "--dry-run"]] {
        let refused = still.mover(arguments).await.with_code(2);
        for text in [
            "book.md:4:1: whole_org has no org \"nobody\", and neither has its source",
            "book.md:5:1: unknown migration whole_orgs",
            "did you mean whole_org?",
            "book.md:8:1: unknown migration phase_3",
        ] {
            assert!(refused.said.contains(text), "{text:?} is missing in: {refused}");
        }
    }
    assert_eq!(still.flags("dl_org__OC_INTERNAL_NO_ORG").await, BTreeMap::new());
    let listed = still.mover(&["run", "--list"]).await.with_code(0);
    assert!(listed.answer.contains("no runbook was run yet"), "{listed}");
}

/// Orgs that somebody else has released are not this runbook's to move.
#[tokio::test]
async fn a_canary_and_a_retry_move_nothing_but_what_they_name() {
    let still = QuietStores::new().await;
    for command in ["orgs capture whole_org", "orgs ready whole_org org_0005,org_0006"] {
        still.exec(command).await.with_code(0);
    }
    for book in ["canary.md", "retry_failed.md"] {
        let stopped = still.mover(&["run", &shipped(book), "--var", "migration=whole_org", "--yes"]).await.with_code(1);
        assert!(stopped.said.contains("whole_org has 2 orgs ready"), "{stopped}");
    }
    let untouched = BTreeMap::from([("holding".to_owned(), 4), ("ready".to_owned(), 2)]);
    assert_eq!(still.states("whole_org").await, untouched);
}
