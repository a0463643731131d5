//! The flags in a real Redis: atomic, fenced by epochs, and patient for a bounded time only.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "support/redis_server.rs"]
mod redis_server;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mover::flags::{RedisFlags, Role};
use mover_actors::domain::flags::{Fields, FlagImage, FlagKey, FoundFlags};
use mover_actors::domain::ids::{Epoch, OrgName};
use mover_actors::ports::{Flags, FlagsError, Written};
use redis::Commands;
use redis_server::RedisServer;

fn org(name: &str) -> FlagKey {
    FlagKey::org(&OrgName::new(name).unwrap())
}

fn fields<const N: usize>(fields: [(&str, Option<&str>); N]) -> Fields {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value.map(str::to_owned))).collect()
}

fn image<const N: usize>(key: FlagKey, epoch: i64, some: [(&str, Option<&str>); N]) -> FlagImage {
    FlagImage { key, epoch: Epoch(epoch), fields: fields(some) }
}

fn hash(server: &RedisServer, key: &FlagKey) -> BTreeMap<String, String> {
    server.connection().hgetall(key.as_str()).unwrap()
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[tokio::test]
async fn a_write_sets_and_deletes_fields_and_leaves_foreign_ones_alone() {
    let server = RedisServer::start();
    let flags = RedisFlags::open(server.url()).unwrap();
    let acme = org("acme");
    let _: () = server.connection().hset(acme.as_str(), "theirs", "kept").unwrap();
    let _: () = server.connection().hset(acme.as_str(), "503_mode", "true").unwrap();

    let wanted = image(acme.clone(), 7, [("couchdb_groups", Some("false")), ("503_mode", None)]);
    assert_eq!(flags.write(&[wanted]).await.unwrap(), [Written::Applied]);

    assert_eq!(hash(&server, &acme), pairs([("couchdb_groups", "false"), ("mover_epoch", "7"), ("theirs", "kept")]));
    assert_eq!(flags.hash(&acme).await.unwrap(), hash(&server, &acme));
}

#[tokio::test]
async fn dl_default_waits_until_a_redis_that_lost_its_memory_has_all_others() {
    let server = RedisServer::start();
    let (flags, other) = (RedisFlags::open(server.url()).unwrap(), RedisFlags::open(server.url()).unwrap());
    let default = || image(FlagKey::default_hash(), 9, [("cell", Some("old"))]);
    let acme = || image(org("acme"), 8, [("cell", Some("new"))]);

    // No caller knows yet that all flags must be written.
    assert_eq!(flags.write(&[acme(), default()]).await.unwrap(), [Written::Applied, Written::Withheld]);
    assert_eq!(hash(&server, &FlagKey::default_hash()), pairs([]));

    // The caller that was told writes the other flags first, and only it may then mark Redis as whole.
    assert!(!flags.is_whole().await.unwrap());
    assert_eq!(other.write(&[default()]).await.unwrap(), [Written::Withheld]);
    assert!(!other.has_all().await.unwrap());
    assert_eq!(other.write(&[default()]).await.unwrap(), [Written::Withheld], "looking is not a promise to write");
    assert_eq!(flags.write(&[acme(), default()]).await.unwrap(), [Written::Applied, Written::Applied]);
    flags.mark_whole().await.unwrap();
    assert!(other.has_all().await.unwrap());
    assert_eq!(other.write(&[default()]).await.unwrap(), [Written::Applied]);

    // A claim about the Redis before the loss does not count.
    let _: () = redis::cmd("FLUSHALL").query(&mut server.connection()).unwrap();
    assert_eq!(flags.write(&[default()]).await.unwrap(), [Written::Withheld]);
}

#[tokio::test]
async fn a_hash_without_managed_fields_keeps_only_its_epoch() {
    let server = RedisServer::start();
    let flags = RedisFlags::open(server.url()).unwrap();
    flags.write(&[image(org("acme"), 1, [("503_mode", Some("true"))])]).await.unwrap();
    flags.write(&[image(org("acme"), 2, [("503_mode", None)])]).await.unwrap();
    flags.write(&[image(org("globex"), 3, [])]).await.unwrap();
    assert_eq!(hash(&server, &org("acme")), pairs([("mover_epoch", "2")]));
    assert_eq!(hash(&server, &org("globex")), pairs([("mover_epoch", "3")]));
}

#[tokio::test]
async fn an_older_epoch_changes_nothing_and_the_same_one_may_be_repeated() {
    let server = RedisServer::start();
    let flags = RedisFlags::open(server.url()).unwrap();
    let newer = image(org("acme"), 10, [("cell", Some("new"))]);
    let older = image(org("acme"), 9, [("cell", Some("old")), ("503_mode", Some("true"))]);
    let other = image(org("globex"), 9, [("cell", Some("old"))]);
    flags.write(std::slice::from_ref(&newer)).await.unwrap();

    let written = flags.write(&[older, other, newer]).await.unwrap();
    assert_eq!(written, [Written::Stale { found: Epoch(10) }, Written::Applied, Written::Applied]);
    assert_eq!(hash(&server, &org("acme")), pairs([("cell", "new"), ("mover_epoch", "10")]));
    assert_eq!(hash(&server, &org("globex")), pairs([("cell", "old"), ("mover_epoch", "9")]));
}

#[tokio::test]
async fn epochs_beyond_the_exact_range_of_doubles_are_told_apart() {
    let server = RedisServer::start();
    let flags = RedisFlags::open(server.url()).unwrap();
    let at = |epoch| image(org("acme"), epoch, [("by", Some("us"))]);
    let big = (1_i64 << 53) + 1;
    assert_eq!(flags.write(&[at(big)]).await.unwrap(), [Written::Applied]);
    assert_eq!(flags.write(&[at(big - 1)]).await.unwrap(), [Written::Stale { found: Epoch(big) }]);
    assert_eq!(flags.write(&[at(999)]).await.unwrap(), [Written::Stale { found: Epoch(big) }]);
    assert_eq!(flags.write(&[at(i64::MAX)]).await.unwrap(), [Written::Applied]);
    assert_eq!(flags.write(&[at(i64::MAX - 1)]).await.unwrap(), [Written::Stale { found: Epoch(i64::MAX) }]);
}

#[tokio::test]
async fn an_epoch_that_is_no_number_protects_nothing() {
    let server = RedisServer::start();
    let flags = RedisFlags::open(server.url()).unwrap();
    let _: () = server.connection().hset(org("acme").as_str(), "mover_epoch", "soon").unwrap();
    assert_eq!(flags.read(&[(org("acme"), vec![])]).await.unwrap(), [FoundFlags::default()]);
    assert_eq!(flags.write(&[image(org("acme"), 1, [])]).await.unwrap(), [Written::Applied]);
}

#[tokio::test]
async fn a_reader_never_sees_half_a_change() {
    let server = RedisServer::start();
    let flags = Arc::new(RedisFlags::open(server.url()).unwrap());
    flags.write(&[image(org("acme"), 1, [("a", Some("1")), ("b", Some("1"))])]).await.unwrap();
    let reader = {
        let (flags, wanted) = (flags.clone(), [(org("acme"), vec!["a".to_owned(), "b".to_owned()])]);
        tokio::spawn(async move {
            for _ in 0..500 {
                let found = flags.read(&wanted).await.unwrap().remove(0);
                let epoch = found.epoch.unwrap().to_string();
                assert!(found.fields.values().all(|value| value.as_ref() == Some(&epoch)), "torn: {found:?}");
            }
        })
    };
    for epoch in 2..500 {
        let value = epoch.to_string();
        flags.write(&[image(org("acme"), epoch, [("a", Some(&value)), ("b", Some(&value))])]).await.unwrap();
    }
    reader.await.unwrap();
}

#[tokio::test]
async fn reading_answers_in_order_and_says_what_is_missing() {
    let server = RedisServer::start();
    let flags = RedisFlags::open(server.url()).unwrap();
    flags.write(&[image(org("acme"), 4, [("cell", Some("new"))])]).await.unwrap();
    let ask = |name: &str| (org(name), vec!["cell".to_owned(), "503_mode".to_owned()]);
    let found = flags.read(&[ask("nobody"), ask("acme")]).await.unwrap();
    let none = FoundFlags { epoch: None, fields: fields([("cell", None), ("503_mode", None)]) };
    let acme = FoundFlags { epoch: Some(Epoch(4)), fields: fields([("cell", Some("new")), ("503_mode", None)]) };
    assert_eq!(found, [none, acme]);
    assert_eq!(flags.read(&[]).await.unwrap(), []);
    assert_eq!(flags.write(&[]).await.unwrap(), []);
}

#[tokio::test]
async fn odd_org_names_are_keys_like_any_other() {
    let server = RedisServer::start();
    let flags = RedisFlags::open(server.url()).unwrap();
    let long = "ü".repeat(512);
    let odd = ["o'neil \"& sons\"", "a b", "{}", "{a}{b}", "line\nbreak\r\n", "Ünïcødé 株式会社", "*", long.as_str()];
    let images: Vec<_> = odd.iter().map(|name| image(org(name), 5, [("name", Some(name))])).collect();
    assert!(flags.write(&images).await.unwrap().iter().all(|written| *written == Written::Applied));
    for name in odd {
        assert_eq!(hash(&server, &org(name)), pairs([("name", name), ("mover_epoch", "5")]));
    }
}

#[tokio::test]
async fn ten_thousand_hashes_in_one_write() {
    let server = RedisServer::start();
    let flags = RedisFlags::open(server.url()).unwrap();
    let images: Vec<_> =
        (0..10_000).map(|i| image(org(&format!("org_{i}")), i + 1, [("n", Some(&i.to_string()))])).collect();
    let written = flags.write(&images).await.unwrap();
    assert_eq!(written.len(), 10_000);
    assert!(written.iter().all(|written| *written == Written::Applied));
    let wanted: Vec<_> = images.iter().map(|image| (image.key.clone(), vec!["n".to_owned()])).collect();
    let found = flags.read(&wanted).await.unwrap();
    for (image, found) in images.iter().zip(&found) {
        assert_eq!((Some(image.epoch), &image.fields), (found.epoch, &found.fields));
    }
}

#[tokio::test]
async fn a_key_of_another_type_is_named_and_the_other_hashes_are_written() {
    let server = RedisServer::start();
    let flags = RedisFlags::open(server.url()).unwrap();
    let _: () = server.connection().set(org("list").as_str(), "a string").unwrap();
    let images = [image(org("acme"), 1, []), image(org("list"), 1, []), image(org("globex"), 1, [])];
    let error = flags.write(&images).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, FlagsError::Rejected { .. }), "{text}");
    assert!(text.contains("dl_org_list") && text.contains("WRONGTYPE"), "{text}");
    assert_eq!(hash(&server, &org("globex")), pairs([("mover_epoch", "1")]));

    let text = flags.read(&[(org("acme"), vec![]), (org("list"), vec![])]).await.unwrap_err().to_string();
    assert!(text.contains("dl_org_list") && text.contains("WRONGTYPE"), "{text}");
}

#[tokio::test]
async fn a_full_redis_refuses_a_hash_as_a_whole() {
    let server = RedisServer::start();
    let flags = RedisFlags::open(server.url()).unwrap();
    flags.write(&[image(org("acme"), 1, [("503_mode", Some("true"))])]).await.unwrap();
    let _: () = redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("1").query(&mut server.connection()).unwrap();
    let wanted = image(org("acme"), 2, [("cell", Some("new")), ("503_mode", None)]);
    let text = flags.write(&[wanted]).await.unwrap_err().to_string();
    assert!(text.contains("dl_org_acme") && text.contains("OOM"), "{text}");
    assert_eq!(hash(&server, &org("acme")), pairs([("503_mode", "true"), ("mover_epoch", "1")]));
}

#[tokio::test]
async fn a_replica_is_waited_for_to_become_the_master() {
    let server = RedisServer::start_with(&["--save", "", "--replicaof", "127.0.0.1 1"]);
    let flags = RedisFlags::open(server.url()).unwrap();
    let error = flags.write(&[image(org("acme"), 1, [])]).await.unwrap_err();
    assert!(matches!(error, FlagsError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("READONLY"), "{error}");
    let _: () = redis::cmd("REPLICAOF").arg("NO").arg("ONE").query(&mut server.connection()).unwrap();
    assert_eq!(flags.write(&[image(org("acme"), 1, [])]).await.unwrap(), [Written::Applied]);
}

#[tokio::test]
async fn a_missing_or_wrong_password_is_said_without_the_password() {
    let server = RedisServer::start_with(&["--save", "", "--requirepass", "right-one"]);
    let none = RedisFlags::open(server.url()).unwrap().ping().await.unwrap_err();
    assert!(none.to_string().contains("asks for a password"), "{none}");

    let flags = RedisFlags::open(server.url_with_password("wrong-one")).unwrap();
    let wrong = flags.ping().await.unwrap_err();
    assert!(matches!(wrong, FlagsError::Rejected { .. }), "{wrong}");
    assert!(wrong.to_string().contains("password is wrong"), "{wrong}");
    assert!(!format!("{wrong} {wrong:?} {flags:?}").contains("wrong-one"), "{wrong:?} {flags:?}");

    RedisFlags::open(server.url_with_password("right-one")).unwrap().ping().await.unwrap();
}

#[test]
fn an_address_that_makes_no_sense_is_refused_without_repeating_it() {
    let error = RedisFlags::open("postgres://me:hidden@nowhere").unwrap_err();
    assert!(error.to_string().contains("redis://"), "{error}");
    assert!(!format!("{error:?}").contains("hidden"), "{error:?}");
}

#[tokio::test]
async fn a_killed_redis_is_reported_and_found_again_when_it_is_back() {
    let mut server = RedisServer::start();
    let flags = RedisFlags::open(server.url()).unwrap();
    flags.ping().await.unwrap();
    server.kill();
    let error = flags.write(&[image(org("acme"), 1, [])]).await.unwrap_err();
    assert!(matches!(error, FlagsError::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().contains("dl_org_acme") && error.to_string().contains("127.0.0.1"), "{error}");

    server.start_again();
    assert_eq!(flags.write(&[image(org("acme"), 1, [])]).await.unwrap(), [Written::Applied]);
}

#[tokio::test]
async fn a_restart_between_two_requests_goes_unnoticed() {
    let mut server = RedisServer::start();
    let flags = RedisFlags::open(server.url()).unwrap();
    flags.write(&[image(org("acme"), 1, [])]).await.unwrap();
    server.kill();
    server.start_again();
    // Neither the broken connection nor the script that the new server does not have concerns the caller.
    assert_eq!(flags.write(&[image(org("acme"), 2, [])]).await.unwrap(), [Written::Applied]);
}

#[tokio::test]
async fn a_server_that_accepts_and_never_answers_blocks_no_caller() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let flags = RedisFlags::open(format!("redis://{}/", silent.local_addr().unwrap())).unwrap();
    let error = flags.is_whole().await.unwrap_err();
    assert!(matches!(error, FlagsError::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_new_server_is_not_whole_until_it_is_marked_and_a_flush_shows() {
    let server = RedisServer::start();
    let flags = RedisFlags::open(server.url()).unwrap();
    assert!(!flags.is_whole().await.unwrap());
    flags.mark_whole().await.unwrap();
    assert!(flags.is_whole().await.unwrap());
    assert!(RedisFlags::open(server.url()).unwrap().is_whole().await.unwrap(), "another process sees it too");
    let _: () = redis::cmd("FLUSHALL").query(&mut server.connection()).unwrap();
    assert!(!flags.is_whole().await.unwrap());
}

#[tokio::test]
async fn a_restart_that_brings_an_old_state_back_is_not_whole() {
    let mut server = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let flags = RedisFlags::open(server.url()).unwrap();
    assert!(!flags.is_whole().await.unwrap());
    flags.mark_whole().await.unwrap();
    server.kill();
    server.start_again();
    let notes: HashMap<String, String> = server.connection().hgetall("mover:whole").unwrap();
    assert!(notes.contains_key("whole"), "the note itself came back: {notes:?}");
    assert!(!flags.is_whole().await.unwrap());
}

#[tokio::test]
async fn a_loss_that_no_caller_was_told_of_is_not_covered_up() {
    let server = RedisServer::start();
    let flags = RedisFlags::open(server.url()).unwrap();
    assert!(!flags.is_whole().await.unwrap());
    flags.mark_whole().await.unwrap();
    assert!(flags.is_whole().await.unwrap());
    let _: () = redis::cmd("FLUSHALL").query(&mut server.connection()).unwrap();
    flags.mark_whole().await.unwrap();
    assert!(!flags.has_all().await.unwrap());
}

#[tokio::test]
async fn a_second_loss_during_the_repair_is_not_covered_up() {
    let server = RedisServer::start();
    let flags = RedisFlags::open(server.url()).unwrap();
    assert!(!flags.is_whole().await.unwrap());
    let _: () = redis::cmd("FLUSHALL").query(&mut server.connection()).unwrap();
    flags.mark_whole().await.unwrap();
    assert!(!flags.is_whole().await.unwrap());
    flags.mark_whole().await.unwrap();
    assert!(flags.is_whole().await.unwrap());
}

#[tokio::test]
async fn who_began_before_a_loss_does_not_speak_for_who_fills_redis_since() {
    let server = RedisServer::start();
    let (early, late) = (RedisFlags::open(server.url()).unwrap(), RedisFlags::open(server.url()).unwrap());
    assert!(!early.is_whole().await.unwrap());
    let _: () = redis::cmd("FLUSHALL").query(&mut server.connection()).unwrap();
    assert!(!late.is_whole().await.unwrap());
    early.mark_whole().await.unwrap();
    assert!(!early.has_all().await.unwrap(), "what the first one wrote is lost");
    late.mark_whole().await.unwrap();
    assert!(early.has_all().await.unwrap());
}

#[tokio::test]
async fn a_mark_goes_with_the_hash_and_with_each_write_of_it() {
    let server = RedisServer::start();
    let flags = RedisFlags::open(server.url()).unwrap();
    let shut = |epoch| image(org("acme"), epoch, [("503_mode", Some("true"))]);
    let acme = |epoch| [(org("acme"), Epoch(epoch))];
    assert_eq!(flags.witness(&acme(1)).await.unwrap(), [false], "there is no such hash");
    flags.write(&[shut(1)]).await.unwrap();
    assert_eq!(flags.is_witnessed(&acme(1)).await.unwrap(), [false], "nobody has marked it");
    assert_eq!(flags.witness(&acme(2)).await.unwrap(), [false], "it carries another epoch");
    assert_eq!(flags.witness(&acme(1)).await.unwrap(), [true]);
    assert_eq!(flags.is_witnessed(&acme(1)).await.unwrap(), [true]);
    assert_eq!(flags.is_witnessed(&acme(2)).await.unwrap(), [false]);

    flags.write(&[shut(1)]).await.unwrap();
    assert_eq!(flags.is_witnessed(&acme(1)).await.unwrap(), [false], "it was written again");
    assert_eq!(flags.witness(&acme(1)).await.unwrap(), [true]);
    let _: () = server.connection().del(org("acme").as_str()).unwrap();
    assert_eq!(flags.is_witnessed(&acme(1)).await.unwrap(), [false], "it was deleted");
    flags.write(&[shut(1)]).await.unwrap();
    assert_eq!(flags.is_witnessed(&acme(1)).await.unwrap(), [false], "it was deleted and written again");
}

#[tokio::test]
async fn a_mark_does_not_count_after_a_restart() {
    let mut server = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let flags = RedisFlags::open(server.url()).unwrap();
    let acme = [(org("acme"), Epoch(1))];
    flags.write(&[image(org("acme"), 1, [("503_mode", Some("true"))])]).await.unwrap();
    assert_eq!(flags.witness(&acme).await.unwrap(), [true]);
    server.kill();
    server.start_again();
    assert!(hash(&server, &org("acme")).contains_key("mover_witness"), "the mark itself came back");
    assert_eq!(flags.is_witnessed(&acme).await.unwrap(), [false]);
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_told_from_one_that_answers() {
    let server = RedisServer::start();
    let flags = RedisFlags::open(server.url()).unwrap();
    flags.try_write().await.unwrap();
    let mut connection = server.connection();
    let _: () = redis::cmd("CONFIG").arg(&["SET", "maxmemory", "1"]).query(&mut connection).unwrap();
    flags.ping().await.unwrap();
    assert!(flags.try_write().await.unwrap_err().to_string().contains("OOM"));
    let _: () = redis::cmd("CONFIG").arg(&["SET", "maxmemory", "0"]).query(&mut connection).unwrap();
    let _: () = redis::cmd("CONFIG").arg(&["SET", "min-replicas-to-write", "1"]).query(&mut connection).unwrap();
    assert!(flags.try_write().await.unwrap_err().to_string().contains("NOREPLICAS"));
    let _: () = redis::cmd("CONFIG").arg(&["SET", "min-replicas-to-write", "0"]).query(&mut connection).unwrap();
    flags.try_write().await.unwrap();
    assert_eq!(hash(&server, &FlagKey::from_stored("mover:probe".into())).len(), 1);
}

#[tokio::test]
async fn a_server_says_what_it_is() {
    let server = RedisServer::start();
    let flags = RedisFlags::open(server.url()).unwrap();
    let facts = flags.server().await.unwrap();
    assert_eq!((facts.role, facts.maxmemory, facts.has_log), (Role::Master, 0, false));
    assert_eq!((facts.snapshots.as_deref(), facts.refused), (Some(""), vec![]));
    let _: () =
        redis::cmd("CONFIG").arg(&["SET", "maxmemory-policy", "allkeys-lru"]).query(&mut server.connection()).unwrap();
    assert_eq!(flags.server().await.unwrap().maxmemory_policy, "allkeys-lru");
}
