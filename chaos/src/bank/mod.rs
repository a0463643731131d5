//! pgbench's own tables and transaction. A branch is an org; the history has an added primary key.

use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt, rngs::StdRng};
use tokio::process::Command;
use tokio_postgres::{Client, Error};

use crate::app::{App, Isolation, Org, Rows, Write};
use crate::dump::find_program;
use crate::postgres::{causes, connect, execute, texts};
use crate::servers::{Servers, Store};

/// The accounts that `pgbench -i` creates for each branch.
const ACCOUNTS_MADE: i32 = 100_000;
const TELLERS: i32 = 10;

pub(crate) struct Bank {
    orgs: Vec<Org>,
    /// Accounts of a branch, and of the first one.
    accounts: i32,
    big_accounts: i32,
}

/// The transaction of `pgbench`: an account, its teller and its branch change by the same amount.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    account: i32,
    teller: i32,
    delta: i32,
}

/// The rows of a branch; accounts and tellers without a change have a balance of zero.
#[derive(Debug, Default)]
pub(crate) struct State {
    branch: i32,
    balance: i32,
    tellers: BTreeMap<i32, i32>,
    accounts: BTreeMap<i32, i32>,
    history: BTreeSet<(i64, i32, i32, i32)>,
}

impl Bank {
    pub(crate) fn new(branches: u32, accounts: u32, big_accounts: u32) -> Self {
        let org = |key: u32| Org { name: key.to_string(), key: key.cast_signed() };
        let (accounts, big_accounts) = (accounts.cast_signed(), big_accounts.cast_signed());
        Self { orgs: (1..=branches).map(org).collect(), accounts, big_accounts }
    }

    fn first_account(branch: i32) -> i32 {
        // The first account of pgbench, with room for extra ones in the first branch.
        if branch == 1 { 100_000_000 } else { (branch - 1) * ACCOUNTS_MADE + 1 }
    }

    fn accounts_of(&self, branch: i32) -> i32 {
        if branch == 1 { self.big_accounts } else { self.accounts }
    }

    async fn create(&self, servers: &Servers) -> Result<(), String> {
        let pgbench =
            find_program("pgbench").ok_or("pgbench is not to be found; next: install the Postgres client programs")?;
        let branches = self.orgs.len().to_string();
        for (store, steps) in [(Store::Old, "dtgvpf"), (Store::New, "dtpf")] {
            let mut command = Command::new(&pgbench);
            command.args(["-i", "-q", "-I", steps, "-s", &branches, "-U", "mover", "-h"]);
            command.arg(servers.socket_dir(store)).arg(store.name());
            let output = command.output().await.map_err(|error| error.to_string())?;
            if !output.status.success() {
                return Err(format!("pgbench -i: {}", String::from_utf8_lossy(&output.stderr)));
            }
            let client = connect(&servers.store_url(store)).await.map_err(|error| causes(&error))?;
            let key = "ALTER TABLE pgbench_history ADD COLUMN id bigint PRIMARY KEY;
                       CREATE INDEX ON pgbench_history (bid); CREATE INDEX ON pgbench_accounts (bid)";
            client.batch_execute(key).await.map_err(|error| causes(&error))?;
        }
        let old = connect(&servers.store_url(Store::Old)).await.map_err(|error| causes(&error))?;
        let (made, kept) = (ACCOUNTS_MADE, self.accounts);
        let (first, big) = (Self::first_account(1), self.big_accounts);
        let sql = format!(
            "DELETE FROM pgbench_accounts WHERE bid = 1 OR (aid - 1) % {made} >= {kept};
             INSERT INTO pgbench_accounts SELECT {first} + n, 1, 0, '' FROM generate_series(0, {big} - 1) n;
             ANALYZE"
        );
        old.batch_execute(&sql).await.map_err(|error| causes(&error))
    }

    fn key(&self, write: &Write<Change>) -> i32 {
        self.orgs.get(write.org).map_or(0, |org| org.key)
    }
}

impl App for Bank {
    type Work = Change;
    type State = State;

    fn migration(&self) -> &'static str {
        "bank"
    }

    fn definition(&self) -> String {
        include_str!("bank.toml").into()
    }

    fn orgs(&self) -> &[Org] {
        &self.orgs
    }

    async fn prepare(&self, servers: &Servers) -> Result<(), String> {
        self.create(servers).await
    }

    fn beginning(&self, org: usize) -> State {
        State { branch: self.orgs.get(org).map_or(0, |org| org.key), ..State::default() }
    }

    fn apply(&self, state: &mut State, write: &Write<Change>) {
        let Change { account, teller, delta } = write.work;
        state.balance += delta;
        *state.tellers.entry(teller).or_default() += delta;
        *state.accounts.entry(account).or_default() += delta;
        state.history.insert((write.id, teller, account, delta));
    }

    fn plan(&self, own: &State, _id: i64, _client: i32, random: &mut StdRng) -> Change {
        let branch = own.branch;
        Change {
            account: Self::first_account(branch) + random.random_range(0..self.accounts_of(branch)),
            teller: (branch - 1) * TELLERS + random.random_range(1..=TELLERS),
            delta: random.random_range(-5_000..=5_000),
        }
    }

    fn mark(&self, write: &Write<Change>) -> String {
        let Change { account, teller, delta } = write.work;
        format!(
            "INSERT INTO pgbench_history (id, tid, bid, aid, delta, mtime)
             VALUES ({}, {teller}, {}, {account}, {delta}, now()) ON CONFLICT DO NOTHING",
            write.id,
            self.key(write)
        )
    }

    fn is_marked(&self, write: &Write<Change>) -> String {
        format!("SELECT id FROM pgbench_history WHERE id = {}", write.id)
    }

    async fn perform(
        &self,
        client: &Client,
        write: &Write<Change>,
        isolation: Isolation,
    ) -> Result<Option<String>, Error> {
        let Change { account, teller, delta } = write.work;
        let branch = self.key(write);
        let balance = format!("SELECT abalance FROM pgbench_accounts WHERE aid = {account} {}", isolation.for_update());
        let Some(balance) = texts(client, &balance).await?.first().and_then(|text| text.parse::<i32>().ok()) else {
            return Ok(Some(format!("account {account} is not there")));
        };
        for sql in [
            format!("UPDATE pgbench_accounts SET abalance = {} WHERE aid = {account}", balance + delta),
            format!("UPDATE pgbench_tellers SET tbalance = tbalance + {delta} WHERE tid = {teller}"),
            format!("UPDATE pgbench_branches SET bbalance = bbalance + {delta} WHERE bid = {branch}"),
        ] {
            let changed = execute(client, &sql).await?;
            if changed != 1 {
                return Ok(Some(format!("{sql} changed {changed} rows")));
            }
        }
        Ok(None)
    }

    fn rows(&self, state: &State) -> Rows {
        let branch = state.branch;
        let sorted = |mut rows: Vec<String>| {
            rows.sort_unstable();
            rows
        };
        let of = |balances: &BTreeMap<i32, i32>, key: i32| balances.get(&key).copied().unwrap_or_default();
        let tellers = (1..=TELLERS).map(|number| (branch - 1) * TELLERS + number);
        let tellers = tellers.map(|teller| format!("({teller},{branch},{})", of(&state.tellers, teller)));
        let first = Self::first_account(branch);
        let accounts = first..first + self.accounts_of(branch);
        let accounts = accounts.map(|account| format!("({account},{branch},{})", of(&state.accounts, account)));
        let history = state.history.iter();
        let history = history.map(|(id, teller, account, delta)| format!("({id},{teller},{branch},{account},{delta})"));
        Rows::from([
            ("pgbench_branches", vec![format!("({branch},{})", state.balance)]),
            ("pgbench_tellers", sorted(tellers.collect())),
            ("pgbench_accounts", sorted(accounts.collect())),
            ("pgbench_history", sorted(history.collect())),
        ])
    }

    fn queries(&self, org: &Org) -> Vec<(&'static str, String)> {
        let query =
            |table, columns| (table, format!("SELECT (ROW({columns}))::text FROM {table} WHERE bid = {}", org.key));
        vec![
            query("pgbench_branches", "bid, bbalance"),
            query("pgbench_tellers", "tid, bid, tbalance"),
            query("pgbench_accounts", "aid, bid, abalance"),
            query("pgbench_history", "id, tid, bid, aid, delta"),
        ]
    }

    fn marks(&self, org: &Org) -> String {
        format!("SELECT id::text FROM pgbench_history WHERE bid = {}", org.key)
    }
}
