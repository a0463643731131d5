//! The command language: every command parses back as itself, and no input causes a panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use mover::command::{Command, FlagHash, MigrateOptions, RetryFrom, StateKind, Which, help, parse, specs};
use mover_actors::domain::campaign::{Control, Selection};
use mover_actors::domain::flags::Fields;
use mover_actors::domain::ids::{MigrationName, OrgName};
use mover_actors::domain::state::Aim;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;

fn command(line: &str) -> Command {
    parse(line).unwrap_or_else(|error| panic!("{error}")).expect("a command")
}

fn names<const N: usize>(names: [&str; N]) -> Selection {
    Selection::Names(names.into_iter().map(|name| OrgName::new(name).unwrap()).collect())
}

fn ready(which: Which) -> Command {
    Command::OrgsReady { migration: MigrationName::new("p").unwrap(), which }
}

#[test]
fn a_selection_is_all_a_number_a_percentage_names_or_a_file() {
    assert_eq!(command("orgs ready p all"), ready(Which::Orgs(Selection::All)));
    assert_eq!(command("orgs ready p 100"), ready(Which::Orgs(Selection::First(100))));
    assert_eq!(command("orgs ready p 5%"), ready(Which::Orgs(Selection::Percent(5))));
    assert_eq!(command("orgs ready p acme,globex"), ready(Which::Orgs(names(["acme", "globex"]))));
    assert_eq!(command("orgs ready p acme, globex"), ready(Which::Orgs(names(["acme", "globex"]))));
    assert_eq!(command("orgs ready p @wave/1.txt"), ready(Which::File("wave/1.txt".into())));
    assert_eq!(command("orgs ready p @\"my wave=1\""), ready(Which::File("my wave=1".into())));
    assert_eq!(command("orgs ready p @a=b"), ready(Which::File("a=b".into())));
}

#[test]
fn a_quoted_word_is_always_a_name() {
    for name in ["all", "100", "5%", "@file", "a,b", "a=b", "#1", "--out", "{}", "two words", ""] {
        let line = format!("orgs ready p \"{name}\"");
        match OrgName::new(name) {
            Ok(_) => assert_eq!(command(&line), ready(Which::Orgs(names([name])))),
            Err(_) => assert!(parse(&line).is_err()),
        }
    }
    let odd = "o'neil \"& sons\"\\\n\t株\u{1b}";
    assert_eq!(command(r#"orgs ready p "o'neil \"& sons\"\\\n\t\u{682a}\u{1b}""#), ready(Which::Orgs(names([odd]))));
}

#[test]
fn options_stand_anywhere_and_comments_are_skipped() {
    let migrate = command("migrate workers=8 p sleep=0 all pace=10 # tonight");
    let options = MigrateOptions {
        workers: Some(8),
        sleep_time_ms: Some(0),
        pace_ms: Some(10),
        error_halts: None,
        failures_max: None,
    };
    let (migration, which) = (MigrationName::new("p").unwrap(), Which::Orgs(Selection::All));
    assert_eq!(migrate, Command::Migrate { aim: Aim::Migrate, migration, which, options });
    assert_eq!(command("report p --out report.md"), command("report out=report.md p"));
    assert_eq!(command("report p --out=report.md"), command("report p out=\"report.md\""));
    assert_eq!(parse("").unwrap(), None);
    assert_eq!(parse("  # nothing").unwrap(), None);
    assert_eq!(command("org c#shop"), Command::Org { org: OrgName::new("c#shop").unwrap(), migration: None });
}

#[test]
fn fields_of_flags_are_set_and_removed_together() {
    let fields: Fields = [("a", Some("false")), ("b", None), ("c", Some(""))]
        .map(|(name, value)| (name.to_owned(), value.map(str::to_owned)))
        .into();
    let hash = FlagHash::Org(OrgName::new("acme").unwrap());
    assert_eq!(command("darklaunch org acme a=false b= c=\"\""), Command::Darklaunch { hash, fields });
    let org = OrgName::new("acme").unwrap();
    assert_eq!(command("darklaunch org acme 503 on"), Command::Darklaunch503 { org, on: true });
}

/// Typical mistakes, and the messages about them.
#[test]
fn mistakes_are_pointed_at() {
    let long = format!("orgs ready phase_2 {}", "x".repeat(10_000));
    let lines = [
        "migrat phase_2 all",
        "frobnicate",
        "\"status\"",
        "=5",
        "rollout phase_2 1%,100%",
        "orgs",
        "orgs lits phase_2",
        "orgs ready phase_2",
        "orgs ready phase-2 all",
        "orgs ready phase_2 0",
        "orgs ready phase_2 120%",
        "orgs ready phase_2 acme,all",
        "orgs ready phase_2 acme,,globex",
        "orgs ready phase_2 @",
        "orgs ready phase_2 all acme",
        "orgs list phase_2 stat=failed",
        "orgs list phase_2 state=faild",
        "orgs list phase_2 limit=many",
        "migrate phase_2 all workers=0",
        "migrate phase_2 all workers=8 workers=9",
        "set sleeptime 0",
        "set concurrency 1,2",
        "org \"acme",
        "org ac\"me",
        "org \"ac\"me",
        "org \"a\\xb\"",
        "org \"\\u{110000}\"",
        "org \"\"",
        "status\tphase_2\tx",
        "flags chek",
        "darklaunch org acme",
        "darklaunch org acme 503 maybe",
        "darklaunch org acme mover_epoch=9",
        "darklaunch default ü=1",
        "report phase_2 --out",
        "help orgz",
        &long,
    ];
    let told: Vec<_> = lines.iter().map(|line| parse(line).unwrap_err().to_string()).collect();
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn a_mistake_knows_its_column() {
    let error = parse("orgs list ünder state=failed limt=5").unwrap_err();
    assert_eq!(error.column(), 11, "{error}");
    let error = parse("orgs list phase_2 limt=5").unwrap_err();
    assert_eq!(error.column(), 19, "{error}");
}

#[test]
fn help_shows_every_command_and_its_examples_work() {
    let overview = help(None);
    for spec in specs() {
        let words = spec.words.join(" ");
        assert!(overview.contains(&words), "{words}");
        assert!(spec.syntax.starts_with(&words), "{words}");
        assert!(help(Some(&words)).contains(spec.syntax), "{words}");
        assert!(!spec.examples.is_empty(), "{words}");
        for example in spec.examples {
            let read = command(example);
            assert_eq!(command(&read.to_string()), read, "{example}");
        }
    }
}

fn migration() -> impl Strategy<Value = MigrationName> {
    "[a-z0-9_]{1,12}".prop_map(|name| MigrationName::new(name).unwrap())
}

fn org() -> impl Strategy<Value = OrgName> {
    let keyword = prop::sample::select(vec![
        "all",
        "failed",
        "rolled_back",
        "100",
        "5%",
        "@x",
        "default",
        "no-org",
        "503",
        "a=b",
        "--x",
    ]);
    prop_oneof!["[a-z]{1,8}", keyword.prop_map(str::to_owned), any::<String>(), "\\PC{1,20}"]
        .prop_filter_map("an org name", |name| OrgName::new(name).ok())
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![
        Just(Which::Orgs(Selection::All)),
        (1..=i64::MAX as u64).prop_map(|count| Which::Orgs(Selection::First(count))),
        (1..=100_u8).prop_map(|percent| Which::Orgs(Selection::Percent(percent))),
        vec(org(), 1..5).prop_map(|names| Which::Orgs(Selection::Names(names))),
        ".{1,20}".prop_map(Which::File),
    ]
}

fn hash() -> impl Strategy<Value = FlagHash> {
    let fixed = prop::sample::select(vec![FlagHash::Default, FlagHash::Override, FlagHash::NoOrg]);
    prop_oneof![fixed, org().prop_map(FlagHash::Org)]
}

fn fields() -> impl Strategy<Value = Fields> {
    btree_map("[a-z0-9_.-]{0,3}[a-z0-9]{1,8}", option::of(any::<String>()), 1..4)
        .prop_filter("not an option with dashes", |fields| fields.keys().all(|name| !name.starts_with("--")))
}

fn options() -> impl Strategy<Value = MigrateOptions> {
    let parts = (
        option::of(1..=10_000_u32),
        option::of(0..=86_400_000_u64),
        option::of(0..=86_400_000_u64),
        option::of(any::<bool>()),
        option::of(any::<u32>()),
    );
    parts.prop_map(|(workers, sleep_time_ms, pace_ms, error_halts, failures_max)| MigrateOptions {
        workers,
        sleep_time_ms,
        pace_ms,
        error_halts,
        failures_max,
    })
}

fn control() -> impl Strategy<Value = Control> {
    prop_oneof![
        prop::sample::select(vec![Control::Pause, Control::Resume, Control::Halt]),
        (1..=10_000_u32).prop_map(Control::Concurrency),
        (0..=86_400_000_u64).prop_map(Control::SleepTimeMs),
        (0..=86_400_000_u64).prop_map(Control::PaceMs),
    ]
}

fn topic() -> impl Strategy<Value = Option<String>> {
    let topics: Vec<String> =
        specs().flat_map(|spec| (1..=spec.words.len()).map(|length| spec.words[..length].join(" "))).collect();
    option::of(prop::sample::select(topics))
}

/// Only all orgs that were rolled back have a word of their own; names may be in either state.
fn retried() -> impl Strategy<Value = (Which, RetryFrom)> {
    prop_oneof![
        which().prop_map(|which| (which, RetryFrom::Failed)),
        Just((Which::Orgs(Selection::All), RetryFrom::RolledBack)),
    ]
}

fn any_command() -> impl Strategy<Value = Command> {
    let state = option::of(prop::sample::select(StateKind::ALL.map(|(_, state)| state).to_vec()));
    let bare = vec![
        Command::FlagsCheck,
        Command::FlagsRepair,
        Command::Tree,
        Command::Nodes,
        Command::Check,
        Command::Health,
        Command::Quit,
    ];
    prop_oneof![
        prop::sample::select(bare),
        migration().prop_map(|migration| Command::OrgsCapture { migration }),
        (vec(org(), 1..4), migration()).prop_map(|(orgs, migration)| Command::OrgsAdd { orgs, migration }),
        (migration(), which()).prop_map(|(migration, which)| Command::OrgsReady { migration, which }),
        (migration(), state, option::of(1..=1_000_000_u32)).prop_map(|(migration, state, limit)| Command::OrgsList {
            migration,
            state,
            limit
        }),
        (org(), option::of(migration())).prop_map(|(org, migration)| Command::Org { org, migration }),
        (migration(), which(), options()).prop_map(|(migration, which, options)| Command::Migrate {
            aim: Aim::Migrate,
            migration,
            which,
            options
        }),
        (prop::sample::select(vec![Aim::RollBack, Aim::Finalize]), migration(), which(), options()).prop_map(
            |(aim, migration, which, options)| {
                // These aims block no user, so there is nothing to wait for.
                let options = MigrateOptions { sleep_time_ms: None, ..options };
                Command::Migrate { aim, migration, which, options }
            }
        ),
        (option::of(migration()), any::<bool>()).prop_map(|(migration, watch)| Command::Status { migration, watch }),
        option::of(1..=10_000_u32).prop_map(|limit| Command::History { limit }),
        control().prop_map(Command::Control),
        (migration(), which()).prop_map(|(migration, which)| Command::Verify { migration, which }),
        (migration(), retried()).prop_map(|(migration, (which, from))| Command::Retry { migration, which, from }),
        migration().prop_map(|migration| Command::OrgsForceOld { migration }),
        hash().prop_map(|hash| Command::FlagsShow { hash }),
        (hash(), fields()).prop_map(|(hash, fields)| Command::Darklaunch { hash, fields }),
        (org(), any::<bool>()).prop_map(|(org, on)| Command::Darklaunch503 { org, on }),
        any::<bool>().prop_map(|on| Command::DarklaunchOrgs503 { on }),
        any::<bool>().prop_map(|on| Command::DarklaunchOrgCreation { on }),
        (migration(), option::of(".{1,20}")).prop_map(|(migration, out)| Command::Report { migration, out }),
        topic().prop_map(|topic| Command::Help { topic }),
    ]
}

proptest! {
    #[test]
    fn every_command_reads_back_as_itself(command in any_command()) {
        let line = command.to_string();
        prop_assert_eq!(parse(&line).map_err(|error| error.to_string()), Ok(Some(command)), "{}", line);
    }

    #[test]
    fn no_text_is_too_odd(line in any::<String>()) {
        if let Err(error) = parse(&line) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    /// Texts that look more like commands get further into the parser.
    #[test]
    fn no_mixture_of_words_is_too_odd(words in vec(
        prop_oneof![
            prop::sample::select(specs().flat_map(|spec| spec.words.to_vec()).collect::<Vec<_>>()).prop_map(str::to_owned),
            prop::sample::select(vec![
                "all", "\"", "\\", "@", ",", "=", "#", "--", "--out", "%", "5%", "\"a b\"", "a=", "=a", "\"\\u{", "\u{0}", "\n",
                "503", "on", "phase_2", "99999999999999999999", "limit=5", "state=failed",
            ]).prop_map(str::to_owned),
        ], 0..8), glue in prop::sample::select(vec![" ", "", ","])) {
        let line = words.join(glue);
        match parse(&line) {
            Ok(Some(command)) => prop_assert_eq!(parse(&command.to_string()).unwrap(), Some(command)),
            Ok(None) => {}
            Err(error) => prop_assert!(error.to_string().contains('^'), "{}", error),
        }
    }
}

#[test]
fn lines_of_redis_cli_mean_what_they_say_and_go_through_mover() {
    for (line, command) in [
        (
            "/opt/redis/bin/redis-cli HMSET dl_default couchdb_containers false couchdb_groups false",
            "darklaunch default couchdb_containers=false couchdb_groups=false",
        ),
        ("redis-cli hset dl_org_acme 503_mode \"true\"", "darklaunch org acme 503_mode=true"),
        ("redis-cli HDEL dl_override a b # gone", "darklaunch override a= b="),
        ("redis-cli HGETALL dl_org_acme", "flags show acme"),
        ("redis-cli HGET dl_org__OC_INTERNAL_NO_ORG disable_new_orgs", "flags show no-org"),
    ] {
        assert_eq!(parse(line).unwrap().unwrap().to_string(), command, "{line}");
    }
    for (line, column, problem) in [
        ("redis-cli", 10, "a command of Redis is missing"),
        ("redis-cli -h there HGETALL dl_default", 11, "leave the options out"),
        ("redis-cli FLUSHALL dl_default", 11, "this command is not for flags"),
        ("redis-cli HSET dl_default a", 28, "the value of a is missing"),
        ("redis-cli HSET sessions a b", 16, "this key holds no flags"),
        ("redis-cli HSET dl_default mover_epoch 7", 27, "mover_epoch is written by Mover alone"),
    ] {
        let error = parse(line).unwrap_err();
        assert!(error.column() == column && error.problem().contains(problem), "{line}: {error}");
    }
}
