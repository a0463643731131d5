//! Orgs with odd names move like all others and are shown on one line; a name that cannot be used is refused.

use mover_actors::domain::ids::ORG_TEXT_MAX;

use super::workspace::Served;

/// Names of orgs, how a command writes them, and how they are shown.
const ODD: [(&str, &str, &str); 8] = [
    ("it's \"quoted\"", r#""it's \"quoted\"""#, "it's \"quoted\""),
    (" two  spaces ", "\" two  spaces \"", " two  spaces "),
    ("{braces} {0} %s", "\"{braces} {0} %s\"", "{braces} {0} %s"),
    ("new\nline", r#""new\nline""#, "new·line"),
    ("\u{1b}[31mred", "\"\u{1b}[31mred\"", "·[31mred"),
    ("Ünï-東京-🚚", "Ünï-東京-🚚", "Ünï-東京-🚚"),
    ("a,b", "\"a,b\"", "a,b"),
    ("dl_default", "dl_default", "dl_default"),
];

#[tokio::test(flavor = "multi_thread")]
async fn odd_names_move_like_all_others() {
    let served = Served::new().await;
    let old = served.client("old").await;
    for (id, (name, ..)) in (100..).zip(ODD) {
        old.execute("INSERT INTO orgs VALUES ($1, $2)", &[&id, &name]).await.unwrap();
        old.execute("INSERT INTO items (org_id, title) VALUES ($1, $2)", &[&id, &name]).await.unwrap();
    }
    served.make_ready();
    let talkative = ["--log", "mover_actors=debug", "exec", "migrate small all"];
    let said = served.mover(&talkative).with_code(0).answering(&["12 migrated, 0 failed"]);
    assert!(!said.err.contains('\u{1b}'), "an escape of a name came through: {said}");
    assert!(said.err.contains("new·line"), "a line break of a name came through: {said}");

    let list = served.exec("orgs list small").with_code(0);
    assert_eq!(list.out.lines().count(), 1 + 12, "one line each: {list}");
    for (name, said, shown) in ODD {
        assert_eq!(served.flag(&format!("dl_org_{name}"), "cell").await.as_deref(), Some("new"), "{name:?}");
        assert_eq!(served.flag(&format!("dl_org_{name}"), "503_mode").await, None, "{name:?}");
        assert!(list.out.lines().any(|line| line.starts_with(shown)), "{shown} is missing in: {list}");
        let org = served.exec(&format!("org {said}")).with_code(0).answering(&[&format!("{shown} in small: migrated")]);
        assert!(!org.out.contains('\u{1b}'), "{org}");
        served.exec(&format!("flags show {said}")).with_code(0).answering(&["cell = \"new\""]);
        served.exec(&format!("verify small {said}")).with_code(0).answering(&["1 orgs compared, 0 differ"]);
        let json = served.mover(&["exec", &format!("org {said}"), "--json"]).with_code(0).json();
        assert_eq!(json["org"], name);
    }
    // No org is routed by the flags of the org that is called dl_default.
    assert_eq!(served.flag("dl_default", "cell").await.as_deref(), Some("old"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_too_long_is_left_out_and_told() {
    let served = Served::new().await;
    // Postgres does not index ten thousand different characters, but as many equal ones.
    served.sql("old", "INSERT INTO orgs VALUES (100, repeat('x', 10000)), (101, 'zebra')").await;
    let said = served.exec("orgs capture small").with_code(0).answering(&[
        "5 are new and in holding",
        "1 lines of the directory were left out",
        "store old",
        "an org name is 10000 characters long, at most 512 are allowed (it begins \"xxx",
    ]);
    assert!(said.out.len() < 2_000, "the whole name is repeated: {said}");
    served.exec("orgs list small").with_code(0).answering(&["zebra"]);
    let said = served.exec(&format!("org {}", "x".repeat(10_000))).with_code(2);
    assert!(said.err.contains("10000 characters long") && said.err.len() < 2_000, "{said}");

    // The longest that is allowed moves.
    let longest = "ä".repeat(ORG_TEXT_MAX);
    served.client("old").await.execute("UPDATE orgs SET name = $1 WHERE id = 100", &[&longest]).await.unwrap();
    served.make_ready();
    served.exec("migrate small all").with_code(0).answering(&["6 migrated, 0 failed"]);
    assert_eq!(served.flag(&format!("dl_org_{longest}"), "cell").await.as_deref(), Some("new"));
    let list = served.exec("orgs list small").with_code(0);
    assert!(list.out.lines().all(|line| line.chars().count() < 200), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_org_without_a_name_is_left_out_and_told() {
    let served = Served::new().await;
    served.sql("old", "INSERT INTO orgs VALUES (100, '')").await;
    let told = ["an org name is empty", "(name, key)=(\"\", \"100\")", "4 are new and in holding"];
    served.exec("orgs capture small").with_code(0).answering(&told);
    served.sql("old", "ALTER TABLE orgs ALTER name DROP NOT NULL; UPDATE orgs SET name = NULL WHERE id = 100").await;
    let told = ["an org without a name or key", "(NULL, \"100\")", "0 are new and in holding, 4 were known"];
    served.exec("orgs capture small").with_code(0).answering(&told);
}
