//! A check that cannot fail is worth nothing. At the end of a successful trial rows are tampered with, and each time the check
//! must notice.

use tokio_postgres::Error;

use crate::app::App;
use crate::check::{self, Found};
use crate::client::Shared;
use crate::evidence::Evidence;
use crate::postgres::{causes, connect};
use crate::servers::{Servers, Store};
use crate::shop::Shop;

/// What is tampered with, in the store where the org lives and in the other. The statement after it undoes it.
const SPOILT_AT_HOME: [(&str, &str, &str); 5] = [
    (
        "a write that is lost",
        "CREATE TABLE spoilt AS SELECT * FROM writes WHERE shop = $KEY LIMIT 1; DELETE FROM writes WHERE id IN (SELECT id FROM spoilt)",
        "INSERT INTO writes SELECT * FROM spoilt; DROP TABLE spoilt",
    ),
    (
        "a write that was never acknowledged",
        "INSERT INTO writes (id, shop, client) VALUES (-1, $KEY, -1)",
        "DELETE FROM writes WHERE id = -1",
    ),
    (
        "a lost update",
        "UPDATE accounts SET balance = balance - 1 WHERE shop = $KEY AND number = 1",
        "UPDATE accounts SET balance = balance + 1 WHERE shop = $KEY AND number = 1",
    ),
    (
        "a guard that refuses every write",
        "CREATE TABLE spoilt AS SELECT * FROM mover.org_guard WHERE migration = 'shop' AND org_key = '$KEY';
         DELETE FROM mover.org_guard WHERE migration = 'shop' AND org_key = '$KEY';
         INSERT INTO mover.org_guard (migration, org_key, mode, epoch, changed_at) VALUES ('shop', '$KEY', 'incoming', 1, now())",
        "DELETE FROM mover.org_guard WHERE migration = 'shop' AND org_key = '$KEY';
         INSERT INTO mover.org_guard SELECT * FROM spoilt; DROP TABLE spoilt",
    ),
    ("a lost account", "DELETE FROM accounts WHERE shop = $KEY AND number = 12", ""),
];

const SPOILT_ELSEWHERE: [(&str, &str, &str); 1] = [(
    "a write in the store that the org has left",
    "INSERT INTO writes (id, shop, client) VALUES (-1, $KEY, -1)",
    "DELETE FROM writes WHERE id = -1",
)];

/// Requires that no client writes, Mover does not run, and a check has just found no fault.
pub(crate) async fn is_noticed(shared: &Shared<Shop>, servers: &Servers, evidence: &Evidence) {
    // An org that was written, or there would be nothing to lose.
    let mut orgs = shared.app.orgs().iter().enumerate();
    let Some((_, org)) = orgs.find(|(index, _)| !shared.ledger.of(*index).is_empty()) else { return };
    let home = match check::home(shared.app.migration(), org, servers).await {
        Ok(Found::In(store)) => store,
        Ok(Found::NotAtRest) => return evidence.add(format!("{} is not at rest", org.name)),
        Err(error) => return evidence.add(causes(&error)),
    };
    let elsewhere = SPOILT_ELSEWHERE.map(|spoilt| (home.other(), spoilt));
    for (store, (what, spoil, mend)) in elsewhere.into_iter().chain(SPOILT_AT_HOME.map(|spoilt| (home, spoilt))) {
        let noticed = Evidence::new();
        let key = org.key.to_string();
        let tampered = async {
            tamper(servers, store, &spoil.replace("$KEY", &key)).await?;
            check::check(shared, servers, &noticed).await;
            tamper(servers, store, &mend.replace("$KEY", &key)).await
        };
        if let Err(error) = tampered.await {
            evidence.add(format!("spoiling {}: {what}: {}", org.name, causes(&error)));
        }
        if !noticed.is_any() {
            evidence.add(format!("the check does not notice {what}: {}, {}", org.name, store.name()));
        }
    }
}

async fn tamper(servers: &Servers, store: Store, sql: &str) -> Result<(), Error> {
    let client = connect(&servers.store_url(store)).await?;
    // No trigger or foreign key prevents it.
    client.batch_execute("SET session_replication_role = replica").await?;
    client.batch_execute(sql).await
}
