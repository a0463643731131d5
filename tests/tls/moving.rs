//! A whole move with nothing but encrypted connections, and a statement that ends with one.

use crate::one_org::OneOrg;
use mover::config::{Definition, Definitions};
use mover::engine::{PgEngine, Store};
use mover_actors::domain::ids::{Epoch, MigrationName, MoveId, OrgKey, OrgName, StoreName};
use mover_actors::domain::record::Lease;
use mover_actors::ports::Side;

use crate::certificates::{Authority, Files};
use crate::flags;
use crate::postgres::{HOST, ONLY_TLS, Postgres, configured};
use crate::proxy::Proxy;
use crate::workspace::{DEFINITION, PASSWORD, Workspace};

/// A Postgres with two stores, one of which has orgs, behind a proxy.
async fn stores(authority: &Authority) -> (Postgres, Proxy) {
    let server = Postgres::start(Some(&authority.server(&[HOST])), ONLY_TLS).await;
    for database in ["mover", "old", "new"] {
        server.private.ensure_database(database).await.unwrap();
    }
    for store in ["old", "new"] {
        server.client(store).await.batch_execute(include_str!("../bad_input/tables.sql")).await.unwrap();
    }
    server.client("old").await.batch_execute(include_str!("../bad_input/rows.sql")).await.unwrap();
    server.client("new").await.batch_execute("SELECT setval('items_id_seq', 1000000)").await.unwrap();
    let password = format!("ALTER ROLE guarded PASSWORD '{PASSWORD}'");
    server.client("postgres").await.batch_execute(&password).await.unwrap();
    let proxy = Proxy::before(server.address).await;
    (server, proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn orgs_move_and_come_back_with_every_connection_encrypted() {
    let (authority, files) = (Authority::new("ours"), Files::new());
    let (server, proxy) = stores(&authority).await;
    let redis = flags::server(&files, &authority.server(&["127.0.0.1"]), &authority, "yes");
    let client = files.client("client", &authority.client("mover"));
    let password = files.secret("password", PASSWORD);
    let ca = files.authority("ca", &authority);
    let section = |name: &str, host: &str, database: &str| {
        let url = proxy.url("guarded", host, database);
        format!("[{name}]\nurl = {url:?}\nsslmode = \"verify-full\"\npassword_file = {password:?}\n{ca}")
    };
    let configuration = |host_of_old: &str| {
        let stores = [section("stores.old", host_of_old, "old"), section("stores.new", HOST, "new")].concat();
        let redis = format!("[redis]\nurl = \"rediss://127.0.0.1:{}/0\"\n{ca}{client}", redis.port());
        format!(
            "{}{stores}{redis}[engine]\nrolled_back_copy_ms = 0\n[campaign]\nsleep_time_ms = 0\n",
            section("state", HOST, "mover")
        )
    };
    let place = Workspace::with(&configuration(HOST));
    let online = DEFINITION.replace("name = \"small\"", "name = \"online\"").replace("offline", "online");
    place.write("migrations/online.toml", &online);

    place.exec("darklaunch default cell=old").with_code(0);
    place.mover(&["check"]).with_code(0);
    for command in ["orgs capture online", "orgs ready online all", "migrate online all"] {
        place.exec(command).with_code(0);
    }
    let count = "SELECT count(*) FROM items";
    let items = async |store: &str| server.client(store).await.query_one(count, &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(items("new").await, 20);
    place.exec("rollback online all").with_code(0);
    assert_eq!(items("new").await, 0);
    // Its guard refuses writes of these orgs in the target, to which they move next.
    place.mover(&["guard", "remove", "new", "online"]).with_code(0);
    for command in ["orgs capture small", "orgs ready small all", "migrate small all"] {
        place.exec(command).with_code(0);
    }
    assert_eq!(items("new").await, 20);
    place.exec("flags check").with_code(0).answering(&["0 differ"]);
    place.mover(&["doctor"]).with_code(0);
    place.mover(&["health"]).with_code(0);
    assert!(proxy.all_encrypted() > 20, "there were {} connections", proxy.all_encrypted());

    // With another host or another authority nothing is changed, and the message says what to do.
    let elsewhere = Workspace::with(&configuration("other.test"));
    let told = ["store old", "its certificate is for db.test, not for other.test", "url in [stores.old]"];
    elsewhere.mover(&["check"]).with_code(1).answering(&told);
    elsewhere.exec("orgs capture small").with_code(1).complaining(&told);
    files.authority("ca", &Authority::new("theirs"));
    let told = ["[state]", "not signed by an authority that Mover trusts", "next: name", "ca_file in [state]"];
    place.mover(&["status"]).with_code(1).complaining(&told);
    place.mover(&["health"]).with_code(2).answering(&told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_ends_with_the_encrypted_connection_that_it_came_over() {
    let (authority, files) = (Authority::new("ours"), Files::new());
    let (server, proxy) = stores(&authority).await;
    let name = |name: &str| StoreName::new(name).unwrap();
    let open = |store: &str| {
        let address = configured(&proxy.url("mover", HOST, store), &files.authority("ca", &authority));
        Store::over(name(store), &address).unwrap()
    };
    let definitions = Definitions::read([("small.toml", DEFINITION)], &[name("old"), name("new")].into()).unwrap();
    let definition: Definition = definitions.iter().next().unwrap().clone();
    let engine = PgEngine::new([open("old"), open("new")], [definition]);
    let lease = Lease {
        id: MoveId(1),
        migration: MigrationName::new("small").unwrap(),
        org: OrgName::new("acme_1").unwrap(),
        key: OrgKey::new("1").unwrap(),
        epoch: Epoch(1),
    };
    let reader = server.client("old").await;
    reader.batch_execute("BEGIN; LOCK TABLE items").await.unwrap();
    let watcher = server.client("old").await;
    let waiting = async |wanted: i64| {
        let sql = "SELECT count(*), coalesce(bool_and(ssl), true) FROM pg_locks JOIN pg_stat_ssl USING (pid)
                   WHERE NOT granted AND relation = 'items'::regclass";
        loop {
            let row = watcher.query_one(sql, &[]).await.unwrap();
            assert!(row.get::<_, bool>(1), "it waits over a plain connection");
            if row.get::<_, i64>(0) == wanted {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        tally = engine.tally(&lease, Side::Source) => panic!("the table is locked, but: {tally:?}"),
        () = waiting(1) => {}
    }
    waiting(0).await;
    // Its patience with the lock would have ended it too, much later.
    let log = || server.private.logs().iter().map(|log| std::fs::read_to_string(log).unwrap()).collect::<String>();
    assert!(!log().contains("canceling statement due to lock timeout"), "{}", log());
}
