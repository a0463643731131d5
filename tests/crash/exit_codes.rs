//! One rule for exit codes: 0 all was done, 1 something was not, 2 wrong use.

use redis::AsyncCommands;

use super::quiet_stores::QuietStores;

#[tokio::test]
async fn what_is_not_as_it_should_be_has_exit_code_1() {
    let still = QuietStores::new().await;
    still.exec("darklaunch default cell=old").await.with_code(0);
    still.exec("flags check").await.with_code(0);
    let mut redis = still.redis().await;
    let _: () = redis.hset("dl_default", "cell", "lost").await.unwrap();
    let differs = still.exec("flags check").await.with_code(1);
    assert!(differs.answer.contains("1 differ"), "{differs}");
    // The same in a runbook.
    let book = "# Book\n```mover\nflags check\nflags repair\n```\n";
    std::fs::write(still.dir().join("book.md"), book).unwrap();
    let stopped = still.mover(&["run", "book.md"]).await.with_code(1);
    assert!(stopped.said.contains("step 1 at line 3 failed"), "{stopped}");
    still.exec("flags repair").await.with_code(0);
    still.mover(&["run", "--resume", "1"]).await.with_code(0);

    still.exec("check").await.with_code(0);
    still.new_store().await.batch_execute("DROP TABLE organizations CASCADE").await.unwrap();
    still.exec("check").await.with_code(1);
    still.exec("migrate whole_org").await.with_code(2);
    still.exec("migrate nonsense all").await.with_code(1);
}

/// Refusals name the command that brings them back.
#[tokio::test]
async fn rolled_back_orgs_are_put_in_line_at_once() {
    let still = QuietStores::new().await;
    for command in
        ["orgs capture whole_org", "orgs ready whole_org all", "migrate whole_org all", "rollback whole_org all"]
    {
        still.exec(command).await.with_code(0);
    }
    let refused = still.exec("migrate whole_org all").await.with_code(1);
    assert!(refused.said.contains("6 rolled back); next: retry whole_org rolled_back"), "{refused}");
    let refused = still.exec("migrate whole_org org_0001").await.with_code(1);
    assert!(refused.said.contains("next: retry whole_org org_0001"), "{refused}");
    let none = still.exec("retry whole_org failed").await.with_code(0);
    assert!(none.answer.contains("next: retry whole_org rolled_back, for all 6 of them"), "{none}");
    let all = still.exec("retry whole_org rolled_back").await.with_code(0);
    assert!(all.answer.contains("6 orgs are ready again"), "{all}");
}

/// Online the target logs what is written there: that is no damage. Rows that changed without a log are.
#[tokio::test]
async fn verify_tells_what_was_written_since_from_what_is_damaged() {
    let still = QuietStores::new().await;
    for command in ["orgs capture whole_org", "orgs ready whole_org all", "migrate whole_org all"] {
        still.exec(command).await.with_code(0);
    }
    let new = still.new_store().await;
    let (written, damaged) = (still.orgs[0].id, still.orgs[1].id);
    new.execute("UPDATE organizations SET full_name = 'written' WHERE id = $1", &[&written]).await.unwrap();
    let told = still.exec("verify whole_org all").await.with_code(0);
    assert!(told.answer.contains("6 orgs compared, 0 differ"), "{told}");
    assert!(told.answer.contains("1 orgs were written since their switch"), "{told}");

    new.batch_execute("SET session_replication_role = replica").await.unwrap();
    new.execute("UPDATE organizations SET full_name = 'damaged' WHERE id = $1", &[&damaged]).await.unwrap();
    let told = still.mover(&["exec", "--json", "verify whole_org all"]).await.with_code(1);
    let json: serde_json::Value = serde_json::from_str(&told.answer).unwrap();
    let found = &json["differences"][0];
    assert_eq!(json["differences"].as_array().unwrap().len(), 1, "{json}");
    assert_eq!((found["kind"].as_str(), found["table"].as_str()), (Some("damaged"), Some("organizations")), "{json}");
    assert!(found["row"].as_str().unwrap().contains(&damaged.to_string()), "{json}");
    assert_eq!(found["columns"], serde_json::json!(["full_name"]), "{json}");
    assert_eq!(json["written_since"], serde_json::json!([still.orgs[0].name.as_str()]), "{json}");
}
