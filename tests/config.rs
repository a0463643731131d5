//! What people write down: read right, or refused with every mistake at its place.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use mover::config::{Config, Definitions, LogFormat, LogLevel, Override, Store, Tenancy};
use mover_actors::domain::ids::{MigrationName, StoreName};
use mover_actors::domain::state::Strategy;

fn read(text: &str) -> Result<Config, String> {
    read_with(text, &[])
}

fn read_with(text: &str, overrides: &[Override]) -> Result<Config, String> {
    Config::read("mover.toml", text, Path::new(""), overrides).map_err(|mistakes| mistakes.to_string())
}

fn environment(variables: &[(&str, &str)]) -> Vec<Override> {
    Override::from_environment(variables.iter().map(|(name, value)| (name.into(), value.into())))
}

fn store_names() -> BTreeSet<StoreName> {
    ["old", "new"].map(|name| StoreName::new(name).unwrap()).into()
}

fn define(text: &str) -> Result<Definitions, String> {
    Definitions::read([("phase_2.toml", text)], &store_names()).map_err(|mistakes| mistakes.to_string())
}

fn named(name: &str) -> MigrationName {
    MigrationName::new(name).unwrap()
}

const GOOD: &str = r#"
name = "phase_2"
strategy = "offline"
from = "old"
to = "new"
components = ["groups"]
[org]
table = "organizations"
name = "name"
key = "id"
"#;

#[test]
fn nothing_at_all_is_a_configuration() {
    let config = read("").unwrap();
    assert!(config.state.is_none() && config.redis.is_none() && config.stores.is_empty());
    assert_eq!((config.tuning.concurrency, config.tuning.sleep_time_ms, config.tuning.pace_ms), (8, 5_000, 0));
    assert_eq!(config.migrations_dir, Path::new("migrations"));
}

/// A fault that every org meets must not park thousands of them before somebody looks.
#[test]
fn a_campaign_halts_after_a_hundred_failures_unless_it_is_told_otherwise() {
    assert_eq!(read("").unwrap().failure_policy.failures_max, Some(100));
    assert_eq!(read("[campaign]\nerror_halts = true\n").unwrap().failure_policy.failures_max, Some(100));
    assert_eq!(read("[campaign]\nfailures_max = 5\n").unwrap().failure_policy.failures_max, Some(5));
}

#[test]
fn the_documented_example_is_read_and_its_defaults_are_the_real_ones() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("mover.example.toml");
    let config = Config::load(Some(&example), &[]).unwrap();
    let none = Config::default();
    assert_eq!(config.tuning, none.tuning);
    assert_eq!(config.failure_policy, none.failure_policy);
    assert_eq!((config.lease, config.log), (none.lease, none.log));
    assert_eq!(config.telemetry, none.telemetry);
    assert_eq!((config.drain_budget, config.step_budget), (none.drain_budget, none.step_budget));
    assert_eq!(config.rolled_back_copy, none.rolled_back_copy);
    assert_eq!(config.copy_range_rows, none.copy_range_rows);
    assert!(config.backup_dir.ends_with(none.backup_dir));
    let Store::Postgres(old) = &config.stores[&StoreName::new("old").unwrap()];
    assert_eq!(old.to_string(), "mover@localhost:5432/old");
    assert_eq!(old.pool_size, 16);
    assert_eq!(config.redis.unwrap().to_string(), "localhost:6379");
    assert!(config.migrations_dir.ends_with("migrations"));
}

#[test]
fn every_mistake_is_reported_at_its_place() {
    let messy = r#"
colour = "blue"

[state]
url = "mysql://me:hidden-1@db/state"
pool_size = 0

[redis]
ulr = "redis://:hidden-2@localhost"

[stores.old]
kind = "couchdb"
url = 5984

[stores."odd name"]
url = "postgres://me:hidden-3@db/odd"
password_env = "NO_SUCH_VARIABLE_OF_MOVER"

[stores]
new = "postgres://me:hidden-4@db/new"

[migrations]
dir = "no/such/directory"

[campaign]
concurrency = "8"
sleep_time = 5000
error_halts = "no"
failures_max = -1
pace_ms = 1.5

[node]
lease_ms = 10

[log]
format = "jsn"
level = "verbose"

[telemetry]
otlp_endpoint = "collector:4318"
otlp_headers = "authorization=hidden-5"
service_name = " "
"#;
    let errors = read(messy).unwrap_err();
    assert!(!errors.contains("hidden"), "{errors}");
    insta::assert_snapshot!(errors);
}

#[test]
fn text_that_is_no_toml_is_reported_with_what_else_is_wrong() {
    insta::assert_snapshot!(
        read("[redis\nurl = \"redis://localhost\"\n\n[campaign]\nconcurrency = = 8\nsleep_tme_ms = 1\n[campaign]\n")
            .unwrap_err()
    );
}

#[test]
fn the_environment_wins_over_the_file_and_flags_win_over_both() {
    let file =
        "[campaign]\nconcurrency = 2\npace_ms = 2\nsleep_time_ms = 2\n[stores.Old]\nurl = \"postgres://a@file/x\"\n";
    let mut overrides = environment(&[
        ("MOVER__CAMPAIGN__CONCURRENCY", "3"),
        ("MOVER__CAMPAIGN__PACE_MS", "3"),
        ("MOVER__CAMPAIGN__ERROR_HALTS", "true"),
        ("MOVER__STORES__OLD__URL", "postgres://a@environment/x"),
        ("MOVER__LOG__FORMAT", "json"),
        ("MOVER__NODE__LEASE_MS", "2000"),
        ("MOVER_FAILPOINT", "not.a.setting"),
        ("PATH", "/bin"),
    ]);
    overrides.push(Override::new("campaign.concurrency", "4", "--concurrency"));
    overrides.push(Override::new("log.level", "debug", "--log-level"));
    let config = read_with(file, &overrides).unwrap();
    assert_eq!((config.tuning.concurrency, config.tuning.pace_ms, config.tuning.sleep_time_ms), (4, 3, 2));
    assert!(config.failure_policy.error_halts);
    assert_eq!((config.log.format, config.log.level), (LogFormat::Json, LogLevel::Debug));
    assert_eq!(config.lease, Duration::from_secs(2));
    let Store::Postgres(old) = &config.stores[&StoreName::new("Old").unwrap()];
    assert_eq!(old.to_string(), "a@environment:5432/x");
}

#[test]
fn mistakes_in_the_environment_name_the_variable() {
    let overrides = environment(&[
        ("MOVER__REDIS__ULR", "redis://:hidden@localhost"),
        ("MOVER__CAMPAIGN__CONCURRENCY", "many"),
        ("MOVER__STATE__URL", "hidden"),
        ("MOVER__LOGG", "x"),
    ]);
    let errors = read_with("", &overrides).unwrap_err();
    assert!(!errors.contains("hidden"), "{errors}");
    insta::assert_snapshot!(errors);
}

#[test]
fn passwords_come_from_files_and_are_never_shown() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("secret"), "pa:ss/wo@rd\n").unwrap();
    let text = "[state]\nurl = \"postgres://me@db/state\"\npassword_file = \"secret\"\n\
                [redis]\nurl = \"redis://localhost\"\npassword_file = \"secret\"\n\
                [stores.old]\nurl = \"postgres://me:in-the-url@db/old\"\n";
    let config = Config::read("mover.toml", text, directory.path(), &[]).unwrap();
    assert_eq!(config.state.as_ref().unwrap().options().get_password(), Some("pa:ss/wo@rd".as_bytes()));
    assert_eq!(config.redis.as_ref().unwrap().options().redis_settings().password(), Some("pa:ss/wo@rd"));
    let shown = format!("{config:?} {} {}", config.state.as_ref().unwrap(), config.redis.as_ref().unwrap());
    assert!(!shown.contains("pa:ss") && !shown.contains("in-the-url"), "{shown}");
    let overrides = environment(&[("MOVER__STATE__URL", "postgres://me:in-the-url@db/state")]);
    assert!(!format!("{overrides:?}").contains("in-the-url"));
}

#[test]
fn two_passwords_or_an_unreadable_one_are_mistakes() {
    let text = "[state]\nurl = \"postgres://me:one@db/state\"\npassword_env = \"PATH\"\npassword_file = \"x\"\n";
    let errors = read(text).unwrap_err();
    assert!(errors.contains("mover.toml:3:16: password_file is given too"), "{errors}");
    assert!(errors.contains("mover.toml:4:17: password_file x cannot be read"), "{errors}");
    assert!(errors.contains("the url has a password too"), "{errors}");
}

#[test]
fn a_missing_file_is_said_so() {
    let error = Config::load(Some(Path::new("no/mover.toml")), &[]).unwrap_err().to_string();
    assert!(error.starts_with("no/mover.toml: this file cannot be read"), "{error}");
}

#[test]
fn the_shipped_definitions_are_read() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let definitions = Definitions::load(&dir, &store_names()).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let phase_2 = definitions.find(&named("phase_2")).unwrap();
    assert_eq!(definitions.find(&named("mover_phase_2_migration_callback")).unwrap(), phase_2);
    assert_eq!(phase_2.tables.len(), 3);
    assert_eq!(phase_2.routing.on_source["couchdb_groups"], "true");
    assert_eq!(phase_2.routing.on_target["couchdb_containers"], "false");
    assert_eq!(phase_2.routing.blocked["503_mode"], "true");
    let Tenancy::Via(hops) = &phase_2.tables[2].tenancy else { panic!("group_members is found through groups") };
    assert_eq!(
        (hops[0].column.as_str(), hops[0].parent.name(), hops[0].parent_column.as_str()),
        ("group_id", "groups", "id")
    );
    assert_eq!(definitions.find(&named("whole_org")).unwrap().tables.len(), 10);
    assert_eq!(definitions.prepared_by(&named("mover_phase_2_prep_migration_callback")), Some(phase_2));
    for name in ["org", "org_user_association", "org_user_invites", "global_groups"] {
        let definition = definitions.find(&named(&format!("mover_{name}_migration_callback"))).unwrap();
        assert_eq!((definition.name.as_str(), definition.strategy), (name, Strategy::Window));
    }
    let error = definitions.find(&named("phase2")).unwrap_err().to_string();
    assert_eq!(
        error,
        "unknown migration phase2; known are global_groups, org, org_user_association, org_user_invites, phase_2, whole_org, \
         whole_org_offline; did you mean phase_2?"
    );
}

#[test]
fn preps_and_steps_are_checked_like_moves() {
    let read = |text: &str| Definitions::read([("own.toml", text)], &store_names());
    let mistakes = |text: &str| read(text).unwrap_err().to_string();
    let unknown = mistakes("name = 'p'\nkind = 'prep'\nof = 'phase_2'\n");
    assert!(unknown.contains("own.toml:3:6: of: there is no migration phase_2 that could be prepared"), "{unknown}");
    let whole = "[org]\ntable = 'orgs'\nname = 'name'\nkey = 'id'\n";
    let head = format!("name = 's'\nkind = 'steps'\nfrom = 'old'\nto = 'new'\n{whole}");
    assert!(mistakes(&head).contains("[[step]] is missing"), "{}", mistakes(&head));
    let twice =
        format!("{head}[[step]]\nname = 'a'\nsql = 'SELECT 1'\n[[step]]\nname = 'a'\nsql = 'SELECT 1'\nsqll = ''\n");
    let told = mistakes(&twice);
    assert!(told.contains("step \"a\" is listed twice") && told.contains("unknown key \"sqll\""), "{told}");
    let good = read(&format!("{head}[[step]]\nname = 'a'\nsql = 'SELECT 1'\nundo = 'SELECT 2'\n")).unwrap();
    assert_eq!(good.find(&named("s")).unwrap().steps[0].undo.as_deref(), Some("SELECT 2"));
}

#[test]
fn a_definition_may_have_no_tables_and_quoted_names() {
    let text = format!(
        "{GOOD}[[table]]\nname = 'app.\"Odd -> Name\"'\nkey = '\"Org Id\"'\n[[table]]\nname = \"kids\"\n\
         via = ['\"a -> b\" -> app.\"Odd -> Name\".\"Id\"']\n"
    );
    let definitions = define(&text).unwrap();
    let phase_2 = definitions.find(&named("phase_2")).unwrap();
    assert_eq!((phase_2.tables[0].name.schema(), phase_2.tables[0].name.name()), (Some("app"), "Odd -> Name"));
    let Tenancy::Via(hops) = &phase_2.tables[1].tenancy else { panic!("kids is found through its parent") };
    assert_eq!((hops[0].column.as_str(), hops[0].parent_column.as_str()), ("a -> b", "Id"));
    assert_eq!(hops[0].parent, phase_2.tables[0].name);
    assert!(define(GOOD).unwrap().find(&named("phase_2")).unwrap().tables.is_empty());
}

#[test]
fn every_mistake_of_a_definition_is_reported_at_its_place() {
    let messy = r#"
name = "phase-2"
aliases = ["ok", "not ok", 3]
strategy = "on line"
from = "odl"
to = "new"
components = ["groups", "con tainers"]
kind = "backfill"
sources = 1

[org]
table = "organizations; drop"
key = 7

[[table]]
name = "groups"
key = "org_id"
via = "a_id -> a.id"

[[table]]
name = "members"
via = "group_id = groups.id"

[[table]]
name = "bare"

[[table]]
key = "org_id"
nmae = "x"

[limits]
max_block = "500"
max_change_backlog = 0
max_replication_lag = "5s"

[flags]
on_source = { cell = "old", other = "x", flag = true }
on_target = { cell = "old" }
blocked = { cell = "none", mover_epoch = "1" }
offline = {}
"#;
    insta::assert_snapshot!(define(messy).unwrap_err());
}

#[test]
fn tables_must_lead_to_a_key() {
    let tables = r#"
[[table]]
name = "a"
via = "b_id -> b.id"
[[table]]
name = "b"
via = "a_id -> a.id"
[[table]]
name = "c"
via = "group_id -> gruops.id"
[[table]]
name = "groups"
key = "org_id"
[[table]]
name = "groups"
key = "org_id"
[[table]]
name = "selfish"
via = "parent_id -> selfish.id"
"#;
    insta::assert_snapshot!(define(&format!("{GOOD}{tables}")).unwrap_err());
}

#[test]
fn names_are_unique_over_all_files() {
    let other = GOOD.replace("name = \"phase_2\"", "name = \"other\"\naliases = [\"phase_2\", \"other\"]");
    let files = [("a.toml", GOOD), ("b.toml", other.as_str()), ("c.toml", GOOD)];
    insta::assert_snapshot!(Definitions::read(files, &store_names()).unwrap_err().to_string());
}

#[test]
fn an_org_that_nothing_routes_is_refused() {
    let text = GOOD.replace("components = [\"groups\"]", "");
    let errors = define(&text).unwrap_err();
    assert!(errors.contains("nothing says where an org is routed"), "{errors}");
    let nowhere = Definitions::read([("x.toml", GOOD)], &BTreeSet::new()).unwrap_err().to_string();
    assert!(nowhere.contains("there are no stores in mover.toml"), "{nowhere}");
}

#[test]
fn a_directory_that_does_not_exist_holds_no_definitions() {
    let none = Definitions::load(Path::new("no/such/directory"), &store_names()).unwrap();
    assert_eq!(none.find(&named("x")).unwrap_err().to_string(), "unknown migration x; no migration is defined");
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_odd(text in proptest::prelude::any::<String>(), value in proptest::prelude::any::<String>()) {
        let _ = read(&text);
        let _ = define(&text);
        let _ = read_with(&text, &environment(&[("MOVER__STATE__URL", &value), ("MOVER__CAMPAIGN__PACE_MS", &value)]));
        let _ = define(&format!("{GOOD}[[table]]\nname = {value:?}\nvia = {value:?}\n"));
    }
}

#[test]
fn traces_go_where_it_is_said() {
    let collector = |url: &str| read(&format!("[telemetry]\notlp_endpoint = \"{url}\"\n"));
    for (url, traces) in [
        ("http://localhost:4318", "http://localhost:4318/v1/traces"),
        ("http://10.0.0.1/", "http://10.0.0.1/v1/traces"),
        ("http://[::1]:4318/otlp/", "http://[::1]:4318/otlp/v1/traces"),
    ] {
        let config = collector(url).unwrap();
        assert_eq!(config.telemetry.collector.unwrap().traces(), traces);
        assert_eq!(config.telemetry.service_name, "mover");
    }
    for (url, problem) in [
        ("", "is not an address"),
        ("localhost:4318", "is not an address"),
        ("grpc://localhost:4317", "is not an address"),
        ("http://", "is not an address"),
        ("https://localhost:4318", "https is not known"),
        ("http://me:hidden@localhost:4318", "no user and no password"),
        ("http://localhost:4318/v1/traces", "ends before /v1/traces"),
        ("http://localhost:4318?key=hidden", "no query"),
    ] {
        let mistakes = collector(url).unwrap_err();
        assert!(
            mistakes.starts_with("mover.toml:2:17: otlp_endpoint") && mistakes.contains(problem),
            "{url}: {mistakes}"
        );
        assert!(!mistakes.contains("hidden"), "{mistakes}");
    }
    let named = read_with("", &environment(&[("MOVER__TELEMETRY__SERVICE_NAME", "eu")])).unwrap();
    assert_eq!((named.telemetry.collector, named.telemetry.service_name.as_str()), (None, "eu"));
}

#[test]
fn tables_that_stay_are_named_once() {
    let named =
        define(&format!("shared_tables = [\"users\", 'app.\"Odd\"']\nignored_tables = [\"logs\"]\n{GOOD}")).unwrap();
    let phase_2 = named.find(&self::named("phase_2")).unwrap();
    let names = |tables: &[mover::engine::TableName]| tables.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&phase_2.shared_tables), ["users", "app.\"Odd\""]);
    assert_eq!(names(&phase_2.ignored_tables), ["logs"]);
    let twice = format!(
        "shared_tables = [\"users\", \"groups\"]\nignored_tables = [\"users\", \"no name\"]\n{GOOD}[[table]]\nname = \"groups\"\nkey = \"org_id\"\n"
    );
    let told = define(&twice).unwrap_err().to_string();
    for mistake in [
        "1:27: shared_tables: table groups is moved by this definition already",
        "2:19: ignored_tables: table users is in shared_tables already",
        "\"no name\" contains ' '",
    ] {
        assert!(told.contains(mistake), "{mistake}: {told}");
    }
}
