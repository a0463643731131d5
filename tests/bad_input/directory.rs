//! Orgs of the directory that cannot be captured as listed: a capture reports each, and other orgs do not wait.

use super::workspace::Served;

#[tokio::test(flavor = "multi_thread")]
async fn renamed_and_exchanged_orgs_are_told_and_newcomers_captured() {
    let served = Served::ready().await;
    served.exec("migrate small acme_1").with_code(0);
    served
        .sql(
            "old",
            "UPDATE orgs SET name = 'renamed' WHERE id = 1; UPDATE orgs SET name = 'between' WHERE id = 2;
             UPDATE orgs SET name = 'acme_2' WHERE id = 3; UPDATE orgs SET name = 'acme_3' WHERE id = 2;
             UPDATE orgs SET name = 'former' WHERE id = 4; INSERT INTO orgs VALUES (5, 'newcomer'), (40, 'acme_4')",
        )
        .await;
    served.exec("orgs capture small").with_code(0).answering(&[
        "lists 6 orgs; 1 are new and in holding, 0 were known",
        "5 orgs are known by another name or key",
        "\"acme_1\" (migrated) was renamed to \"renamed\" (key 1)",
        "\"acme_2\" (ready) was renamed to \"acme_3\" (key 2)",
        "\"acme_3\" (ready) was renamed to \"acme_2\" (key 3)",
        "\"acme_4\" (ready) was renamed to \"former\" (key 4)",
        "\"acme_4\" (ready) is known with key 4 and listed with key 40",
    ]);
    let said = served.mover(&["exec", "orgs capture small", "--json"]).with_code(0).json();
    assert_eq!((&said["new"], &said["known"]), (&0.into(), &1.into()), "{said}");
    assert_eq!(said["known_otherwise"]["count"], 5, "{said}");
    assert_eq!(said["known_otherwise"]["orgs"][0]["state"], "ready", "{said}");
    served.exec("org newcomer").with_code(0).answering(&["newcomer in small: holding"]);
    assert_eq!(served.flag("dl_org_acme_1", "cell").await.as_deref(), Some("new"));
    assert_eq!(served.flag("dl_org_renamed", "cell").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_name_no_org_are_listed_and_left_out() {
    let served = Served::new().await;
    let lines = "CREATE TABLE directory AS SELECT id::text, name FROM orgs;
        INSERT INTO directory VALUES ('x', 'no number'), (NULL, 'no key'), ('7', 'twin'), ('007', 'other twin')";
    served.sql("old", lines).await;
    let definition = super::workspace::DEFINITION.replacen("table = \"orgs\"", "table = \"directory\"", 1);
    served.write("migrations/small.toml", &definition);
    served.exec("orgs capture small").with_code(0).answering(&[
        "lists 4 orgs; 4 are new and in holding",
        "4 lines of the directory were left out",
        "no number",
        "cannot be a value of",
        "an org without a name or key",
        "org twin: its key 7 is also the key of another org",
    ]);
    let said = served.mover(&["exec", "orgs capture small", "--json"]).with_code(0).json();
    assert_eq!(said["left_out"]["count"], 4, "{said}");
    served.mover(&["check"]).answering(&["org directory directory", "lines stand for no org that could move"]);
    served.exec("orgs ready small all").with_code(0);
    served.exec("migrate small all").with_code(0).answering(&["4 migrated, 0 failed"]);
}
