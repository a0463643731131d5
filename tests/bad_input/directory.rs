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

#[tokio::test(flavor = "multi_thread")]
async fn an_org_whose_name_is_not_its_own_any_more_is_parked_and_no_other_org_is_routed() {
    let served = Served::ready().await;
    // Two names are exchanged, and one org is deleted and made again.
    served
        .sql(
            "old",
            "UPDATE orgs SET name = 'between' WHERE id = 1; UPDATE orgs SET name = 'acme_1' WHERE id = 2;
             UPDATE orgs SET name = 'acme_2' WHERE id = 1;
             UPDATE orgs SET name = 'former' WHERE id = 4; INSERT INTO orgs VALUES (40, 'acme_4')",
        )
        .await;
    served.exec("migrate small all").with_code(1).answering(&["1 migrated, 3 failed"]);
    for (org, told) in [
        ("acme_1", "lists another org under its name, with key 2"),
        ("acme_2", "lists another org under its name, with key 1"),
        ("acme_4", "lists another org under its name, with key 40"),
    ] {
        served.exec(&format!("org {org}")).with_code(0).answering(&[told, "next: "]);
        assert_eq!(served.flag(&format!("dl_org_{org}"), "cell").await, None, "{org}");
        assert_eq!(served.flag(&format!("dl_org_{org}"), "503_mode").await, None, "{org}");
    }
    assert_eq!(served.flag("dl_org_acme_3", "cell").await.as_deref(), Some("new"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_org_moves_under_its_new_name_and_its_flags_go_with_it() {
    let served = Served::ready().await;
    served.exec("darklaunch org acme_3 search=2").with_code(0);
    served.sql("old", "UPDATE orgs SET name = 'renamed' WHERE id = 3").await;
    served.exec("migrate small all").with_code(0).answering(&["4 migrated, 0 failed"]);
    for (field, value) in [("cell", Some("new")), ("search", Some("2")), ("503_mode", None)] {
        assert_eq!(served.flag("dl_org_renamed", field).await.as_deref(), value, "{field}");
        assert_eq!(served.flag("dl_org_acme_3", field).await, None, "{field}");
    }
    served.exec("org renamed").with_code(0).answering(&["renamed in small: migrated"]);
    served.exec("org acme_3").with_code(1);
    served.exec("flags check").with_code(0).answering(&["0 differ", "0 routed elsewhere"]);
    served.mover(&["health"]).with_code(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_requests_without_an_org_is_no_orgs() {
    let served = Served::new().await;
    served.sql("old", "INSERT INTO orgs VALUES (9, '_OC_INTERNAL_NO_ORG')").await;
    let told = "is the name under which requests without an org look up their flags";
    served.exec("orgs capture small").with_code(0).answering(&["4 are new", "1 lines of the directory", told]);
    served.exec("orgs add _OC_INTERNAL_NO_ORG small").with_code(1).complaining(&[told]);
}
