//! Rows that cannot move: their org is parked with the place of the fault, the others move, and after a fix it moves, too.

use super::workspace::Served;

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_the_target_refuses_is_named() {
    let served = Served::ready().await;
    // Item 6 belongs to acme_3.
    served.sql("new", "ALTER TABLE items ADD CONSTRAINT not_six CHECK (amount <> 6)").await;
    let said = served.exec("migrate small all").with_code(1);
    said.answering(&["3 migrated, 1 failed", "orgs list small state=failed", "retry small failed"])
        .complaining(&["acme_3", "not_six"]);

    served.exec("org acme_3").with_code(0).answering(&[
        "acme_3 in small: failed",
        "failed in copy: ",
        "violates check constraint \"not_six\"",
        "store: new",
        "table: items",
        "row: (6, 3, item 6, 6)",
        "next: mend the cause, then: retry small \"acme_3\"",
    ]);
    let failure = &served.mover(&["exec", "org acme_3", "--json"]).with_code(0).json()["moves"][0]["failure"];
    assert_eq!((&failure["table"], &failure["row"]), (&"items".into(), &"(6, 3, item 6, 6)".into()), "{failure}");
    served.mover(&["status"]).with_code(0).answering(&["acme_3", "items (6, 3, item 6, 6)", "retry small failed"]);
    assert_eq!(served.flag("dl_org_acme_3", "503_mode").await, None);
    assert_eq!(served.flag("dl_org_acme_3", "cell").await, None);
    assert_eq!(served.number("new", "SELECT count(*) FROM orgs WHERE id = 3").await, 0);

    served.sql("old", "UPDATE items SET amount = 60 WHERE id = 6").await;
    served.exec("retry small failed").with_code(0);
    served.exec("migrate small all").with_code(0).answering(&["1 migrated, 0 failed"]);
    assert_eq!(served.flag("dl_org_acme_3", "cell").await.as_deref(), Some("new"));
    served.exec("verify small all").with_code(0).answering(&["4 orgs compared, 0 differ"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_there_already_is_named() {
    let served = Served::ready().await;
    // An item of another org, which this migration does not move, has the key of one of acme_2.
    served.sql("new", "INSERT INTO orgs VALUES (99, 'other'); INSERT INTO items VALUES (5, 99, 'mine', 1)").await;
    served.exec("migrate small all").with_code(1).answering(&["3 migrated, 1 failed"]);
    served.exec("org acme_2").with_code(0).answering(&["table: items", "row: (id)=(5)", "already exists"]);
    assert_eq!(served.number("new", "SELECT count(*) FROM items WHERE org_id = 99").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_the_org_in_the_target_are_left_alone() {
    let served = Served::ready().await;
    served
        .sql(
            "new",
            "INSERT INTO orgs VALUES (2, 'acme_2'); INSERT INTO items VALUES (500, 2, 'mine', 1), (501, 2, 'too', 1)",
        )
        .await;
    served.exec("migrate small all").with_code(1).answering(&["3 migrated, 1 failed"]);
    served.exec("org acme_2").with_code(0).answering(&[
        "failed in copy: ",
        "the target already holds 1 row of org acme_2 that Mover did not bring; remove them or leave this org out",
        "table: orgs",
    ]);
    assert_eq!(served.number("new", "SELECT count(*) FROM items WHERE org_id = 2").await, 2);
    assert_eq!(served.flag("dl_org_acme_2", "503_mode").await, None);

    served.sql("new", "DELETE FROM items WHERE org_id = 2; DELETE FROM orgs WHERE id = 2").await;
    served.exec("retry small acme_2").with_code(0);
    served.exec("migrate small all").with_code(0);
    assert_eq!(served.number("new", "SELECT count(*) FROM items WHERE org_id = 2").await, 5);
}

/// Rows are those of customers, and a log goes to many places.
#[tokio::test(flavor = "multi_thread")]
async fn rows_stay_out_of_logs_and_answers_if_that_is_wanted() {
    let served = Served::ready().await;
    let place = served.elsewhere(|configuration| configuration + "[log]\ncustomer_rows = false\n");
    served.sql("new", "ALTER TABLE items ADD CONSTRAINT not_six CHECK (amount <> 6)").await;
    let moved = place.exec("migrate small all").with_code(1).complaining(&["acme_3", "not_six"]);
    let org = place.exec("org acme_3").with_code(0).answering(&["not_six", "table: items"]);
    let status = place.mover(&["status", "--json"]).with_code(0);
    for said in [&moved, &org, &status] {
        assert!(!said.to_string().contains("item 6"), "{said}");
    }
}
