//! The private Postgres and Redis, as their users see them: real servers, killed for real.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use mover::embedded::{EmbeddedError, Left, Options, Private, ServerKind, Servers, clean, scratch_dir};
use nix::unistd::{Pid, Uid, getpgid, getpgrp};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use redis::AsyncCommands;
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

/// Tells a copy of this program to use the servers of a directory until it is killed.
const USE_SERVERS_OF: &str = "MOVER_TEST_USE_SERVERS_OF";

fn options() -> Options {
    let templates = Path::new(env!("CARGO_TARGET_TMPDIR")).join("templates");
    Options::throwaway().template(templates)
}

async fn private() -> Private {
    Private::start(options()).await.unwrap()
}

/// A `.mover` below a directory that all users may enter.
fn place() -> (TempDir, PathBuf) {
    let parent = TempDir::new_in(scratch_dir()).unwrap();
    fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let dir = parent.path().join(".mover");
    (parent, dir)
}

async fn postgres(servers: &Servers) -> Client {
    connect(&servers.postgres_url("postgres")).await.unwrap()
}

async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn redis(servers: &Servers) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(servers.redis_url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// Something in both servers that must survive them.
async fn write_down(servers: &Servers) {
    let create = "CREATE TABLE kept (word text); INSERT INTO kept VALUES ('acme')";
    postgres(servers).await.batch_execute(create).await.unwrap();
    let _: () = redis(servers).await.hset("dl_org_acme", "503_mode", "true").await.unwrap();
}

async fn assert_written(servers: &Servers) {
    let row = postgres(servers).await.query_one("SELECT word FROM kept", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "acme");
    let flag: String = redis(servers).await.hget("dl_org_acme", "503_mode").await.unwrap();
    assert_eq!(flag, "true");
}

/// Different for every run of a server.
async fn runs(servers: &Servers) -> (String, String) {
    let started = "SELECT pg_postmaster_start_time()::text";
    let row = postgres(servers).await.query_one(started, &[]).await.unwrap();
    (row.get(0), redis_info(servers, "run_id").await)
}

async fn redis_info(servers: &Servers, field: &str) -> String {
    let info: String = redis::cmd("INFO").query_async(&mut redis(servers).await).await.unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
    line.unwrap().trim().to_owned()
}

async fn assert_down(postgres_url: &str, redis_url: &str) {
    assert!(connect(postgres_url).await.is_err(), "Postgres still answers");
    let client = redis::Client::open(redis_url).unwrap();
    assert!(client.get_multiplexed_async_connection().await.is_err(), "Redis still answers");
}

#[tokio::test]
async fn first_start_creates_and_the_second_finds_the_data() {
    let (_parent, dir) = place();
    let servers = Servers::start(&dir, options()).await.unwrap();
    write_down(&servers).await;
    let (postgres_url, redis_url) = (servers.postgres_url("postgres"), servers.redis_url());
    assert_eq!(servers.release().await.unwrap(), Left::Stopped);
    assert_down(&postgres_url, &redis_url).await;

    let servers = Servers::start(&dir, options()).await.unwrap();
    assert_written(&servers).await;
    assert_eq!((postgres_url, redis_url), (servers.postgres_url("postgres"), servers.redis_url()));
}

#[tokio::test]
async fn the_default_waits_for_the_disk() {
    let (_parent, dir) = place();
    let servers = Servers::start(&dir, Options::default()).await.unwrap();
    let row = postgres(&servers).await.query_one("SHOW fsync", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "on");
    assert_eq!(redis_info(&servers, "aof_enabled").await, "1");
}

#[tokio::test]
async fn users_share_the_servers_and_the_last_stops_them() {
    let (_parent, dir) = place();
    let first = Servers::start(&dir, options()).await.unwrap();
    let second = Servers::start(&dir, options()).await.unwrap();
    assert_eq!(runs(&first).await, runs(&second).await);

    assert_eq!(first.release().await.unwrap(), Left::StillUsed);
    write_down(&second).await;
    let (postgres_url, redis_url) = (second.postgres_url("postgres"), second.redis_url());
    drop(second);
    assert_down(&postgres_url, &redis_url).await;
}

#[tokio::test]
async fn many_starts_at_once_start_one_pair() {
    let (_parent, dir) = place();
    let starts = (0..8).map(|_| Servers::start(&dir, options()));
    let users = futures_util::future::try_join_all(starts).await.unwrap();
    let mut all = Vec::new();
    for servers in &users {
        all.push(runs(servers).await);
    }
    all.dedup();
    assert_eq!(all.len(), 1);
}

/// Not a test of its own: run by the next one, in a process that can be killed.
#[tokio::test]
async fn use_servers_until_killed() {
    let Some(dir) = std::env::var_os(USE_SERVERS_OF) else {
        return;
    };
    let servers = Servers::start(Path::new(&dir), options()).await.unwrap();
    write_down(&servers).await;
    println!("\nusing");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

fn user_of(dir: &Path) -> Child {
    let mut user = spawn_user_of(dir);
    let output = BufReader::new(user.stdout.as_mut().unwrap());
    assert!(output.lines().any(|line| line.unwrap() == "using"), "the other user failed");
    user
}

fn spawn_user_of(dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["use_servers_until_killed", "--exact", "--nocapture"])
        .env(USE_SERVERS_OF, dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn servers_of_a_killed_user_live_on_until_the_next_user_leaves() {
    let (_parent, dir) = place();
    let mut user = user_of(&dir);
    let visitor = Servers::start(&dir, options()).await.unwrap();
    let before = runs(&visitor).await;
    assert_eq!(visitor.release().await.unwrap(), Left::StillUsed);
    user.kill().unwrap();
    user.wait().unwrap();

    let servers = Servers::start(&dir, options()).await.unwrap();
    assert_eq!(runs(&servers).await, before);
    assert_written(&servers).await;
    let (postgres_url, redis_url) = (servers.postgres_url("postgres"), servers.redis_url());
    assert_eq!(servers.release().await.unwrap(), Left::Stopped);
    assert_down(&postgres_url, &redis_url).await;
}

#[tokio::test]
async fn a_user_killed_at_any_moment_of_its_start_does_not_disturb_others() {
    let seed = rand::random();
    println!("seed {seed}");
    let mut moments = StdRng::seed_from_u64(seed);
    for _ in 0..8 {
        let (_parent, dir) = place();
        let mut user = spawn_user_of(&dir);
        // Without waiting for anything: this is the moment of the accident.
        tokio::time::sleep(Duration::from_millis(moments.random_range(0..250))).await;
        user.kill().unwrap();
        user.wait().unwrap();

        let servers = Servers::start(&dir, options()).await.unwrap();
        postgres(&servers).await.simple_query("SELECT 1").await.unwrap();
        redis_info(&servers, "run_id").await;
        assert_eq!(servers.release().await.unwrap(), Left::Stopped);
    }
}

#[tokio::test]
async fn clean_stops_the_servers_of_a_killed_user() {
    let (parent, dir) = place();
    let mut user = user_of(&dir);
    let (postgres_url, redis_url) = {
        let servers = Servers::start(&dir, options()).await.unwrap();
        (servers.postgres_url("postgres"), servers.redis_url())
    };
    user.kill().unwrap();
    user.wait().unwrap();

    assert!(clean(&dir).await.unwrap());
    assert_down(&postgres_url, &redis_url).await;
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    assert!(!clean(&dir).await.unwrap(), "there is nothing left to clean");
}

#[tokio::test]
async fn clean_refuses_while_the_servers_are_used() {
    let (_parent, dir) = place();
    let servers = Servers::start(&dir, options()).await.unwrap();
    write_down(&servers).await;
    let refused = clean(&dir).await.unwrap_err();
    assert!(matches!(refused, EmbeddedError::InUse { .. }), "{refused}");
    assert_written(&servers).await;
}

#[tokio::test]
async fn clean_deletes_nothing_that_mover_did_not_make() {
    let (parent, _) = place();
    fs::write(parent.path().join("thesis.txt"), "years of work").unwrap();
    let refused = clean(parent.path()).await.unwrap_err();
    assert!(matches!(refused, EmbeddedError::NotOurs { .. }), "{refused}");
    assert!(parent.path().join("thesis.txt").exists());
}

#[tokio::test]
async fn a_killed_postgres_is_noticed_and_healed() {
    let servers = private().await;
    write_down(&servers).await;
    let bystander = postgres(&servers).await;
    let (failure, killed) = tokio::join!(servers.wait_for_failure(), servers.kill9(ServerKind::Postgres));
    killed.unwrap();
    assert_eq!(failure.server, ServerKind::Postgres, "{failure}");
    assert!(bystander.simple_query("SELECT 1").await.is_err());

    assert_eq!(servers.heal().await.unwrap(), [ServerKind::Postgres]);
    assert_written(&servers).await;
    assert_eq!(servers.heal().await.unwrap(), []);
}

#[tokio::test]
async fn a_killed_redis_is_noticed_and_healed() {
    let servers = private().await;
    write_down(&servers).await;
    let (failure, killed) = tokio::join!(servers.wait_for_failure(), servers.kill9(ServerKind::Redis));
    killed.unwrap();
    assert_eq!(failure.server, ServerKind::Redis, "{failure}");

    assert_eq!(servers.heal().await.unwrap(), [ServerKind::Redis]);
    assert_written(&servers).await;
}

#[tokio::test]
async fn both_servers_restart_in_good_order() {
    let servers = private().await;
    write_down(&servers).await;
    let before = runs(&servers).await;
    servers.restart(ServerKind::Postgres).await.unwrap();
    servers.restart(ServerKind::Redis).await.unwrap();
    let after = runs(&servers).await;
    assert!(before.0 != after.0 && before.1 != after.1);
    assert_written(&servers).await;
}

#[tokio::test]
async fn a_process_id_from_before_a_crash_does_not_prevent_a_start() {
    let (_parent, dir) = place();
    let servers = Servers::start(&dir, options()).await.unwrap();
    write_down(&servers).await;
    servers.release().await.unwrap();
    // After a crash of the machine the number belongs to another process: here, to this test.
    let stale = format!("{}\n/nowhere\n1\n5432\n\n\n1 1\nready\n", std::process::id());
    fs::write(dir.join("postgres/data/postmaster.pid"), stale).unwrap();
    fs::write(dir.join("redis/pid"), std::process::id().to_string()).unwrap();

    let servers = Servers::start(&dir, options()).await.unwrap();
    assert_written(&servers).await;
}

#[tokio::test]
async fn private_servers_leave_nothing_behind_when_a_test_panics() {
    let servers = private().await;
    let (postgres_url, redis_url) = (servers.postgres_url("postgres"), servers.redis_url());
    let log = servers.logs().remove(0);
    assert!(log.exists());
    let panicked = tokio::spawn(async move {
        let _servers = servers;
        panic!("as tests do");
    });
    assert!(panicked.await.unwrap_err().is_panic());
    assert_down(&postgres_url, &redis_url).await;
    assert!(!log.exists());
}

#[tokio::test]
async fn one_server_alone() {
    let servers = Private::start(options().postgres_only()).await.unwrap();
    postgres(&servers).await.simple_query("SELECT 1").await.unwrap();
    let client = redis::Client::open(servers.redis_url()).unwrap();
    assert!(client.get_multiplexed_async_connection().await.is_err());
}

#[tokio::test]
async fn ctrl_c_in_the_terminal_does_not_reach_the_servers() {
    let servers = private().await;
    let redis = redis_info(&servers, "process_id").await.parse().unwrap();
    assert_ne!(getpgid(Some(Pid::from_raw(redis))).unwrap(), getpgrp());
}

#[tokio::test]
async fn nothing_listens_on_a_port() {
    let servers = private().await;
    let row = postgres(&servers).await.query_one("SHOW listen_addresses", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "");
    assert_eq!(redis_info(&servers, "tcp_port").await, "0");
}

#[tokio::test]
async fn databases_of_any_name() {
    let servers = private().await;
    for name in ["old", r#"an "odd" näme/?&%41"#] {
        servers.ensure_database(name).await.unwrap();
        servers.ensure_database(name).await.unwrap();
        let client = connect(&servers.postgres_url(name)).await.unwrap();
        let row = client.query_one("SELECT current_database()::text", &[]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), name);
        servers.drop_database(name).await.unwrap();
        assert!(connect(&servers.postgres_url(name)).await.is_err());
    }
}

#[tokio::test]
async fn a_missing_program_says_what_to_install() {
    let (parent, dir) = place();
    let options = Options { program_dirs: Some(vec![parent.path().to_owned()]), ..options() };
    for (options, program) in [
        (options.clone().postgres_only(), "postgres is not installed"),
        (options.redis_only(), "redis-server is not installed"),
    ] {
        let error = Servers::start(&dir, options).await.unwrap_err().to_string();
        assert!(error.contains(program), "{error}");
        assert!(error.contains("apt-get install postgresql redis-server"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_start_shows_the_end_of_its_log() {
    let (_parent, dir) = place();
    let wrong = options().postgres_setting("work_mem", "plenty");
    let error = Servers::start(&dir, wrong).await.unwrap_err();
    assert!(matches!(error, EmbeddedError::DidNotStart { .. }), "{error}");
    assert!(error.to_string().contains("work_mem"), "{error}");
    // And the next start is not disturbed by it.
    Servers::start(&dir, options()).await.unwrap();
}

#[tokio::test]
async fn data_of_another_postgres_version_are_refused() {
    let (_parent, dir) = place();
    Servers::start(&dir, options()).await.unwrap().release().await.unwrap();
    fs::write(dir.join("postgres/data/PG_VERSION"), "8\n").unwrap();
    let error = Servers::start(&dir, options()).await.unwrap_err();
    assert!(matches!(error, EmbeddedError::OtherMajor { .. }), "{error}");
    assert!(error.to_string().contains("written by PostgreSQL 8"), "{error}");
}

#[tokio::test]
async fn a_directory_of_another_user_is_refused() {
    let (parent, _) = place();
    let dir = if Uid::effective().is_root() {
        chown(parent.path(), Some(65534), None).unwrap();
        parent.path()
    } else {
        Path::new("/")
    };
    let error = Servers::start(dir, options()).await.unwrap_err();
    assert!(matches!(error, EmbeddedError::OtherOwner { .. }), "{error}");
}

#[tokio::test]
async fn root_may_work_where_postgres_cannot_enter() {
    let (parent, dir) = place();
    fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let (elsewhere, root_data_dir) = place();
    let options = Options { root_data_dir: root_data_dir.clone(), ..options() };
    let servers = Servers::start(&dir, options.clone()).await.unwrap();
    write_down(&servers).await;
    servers.release().await.unwrap();

    let servers = Servers::start(&dir, options).await.unwrap();
    assert_written(&servers).await;
    drop(servers);
    clean(&dir).await.unwrap();
    assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    let left = fs::read_dir(root_data_dir).map_or(0, Iterator::count);
    assert_eq!(left, 0);
    drop(elsewhere);
}

#[tokio::test]
async fn a_path_too_long_or_too_odd_for_a_socket() {
    let (_parent, dir) = place();
    let dir = dir.join("it's a, \"strange\" place").join("x".repeat(120));
    let servers = Servers::start(&dir, options()).await.unwrap();
    write_down(&servers).await;
    let sockets = servers.postgres_socket_dir().to_owned();
    servers.release().await.unwrap();

    // The system emptied its temporary directory.
    fs::remove_dir_all(&sockets).unwrap();
    let servers = Servers::start(&dir, options()).await.unwrap();
    assert_written(&servers).await;
    let sockets = servers.postgres_socket_dir().to_owned();
    drop(servers);
    clean(&dir).await.unwrap();
    assert!(!sockets.exists());
}
