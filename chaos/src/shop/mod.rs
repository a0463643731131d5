//! An application with tables of all kinds: keyed ones, some that are found through their parents, keys that change, rows that
//! cascade, and accounts whose sum must not change.

mod perform;
mod state;

use rand::seq::IteratorRandom;
use rand::{RngExt, rngs::StdRng};
use tokio_postgres::{Client, Error};

use crate::app::{App, Isolation, Org, Rows, Write};
use crate::postgres::{causes, connect, execute};
use crate::servers::{Servers, Store};

use state::{ACCOUNTS, BALANCE, State, Work};

/// A client with more orders in one shop prefers to cancel some.
const ORDERS_MAX: usize = 12;

pub(crate) struct Shop {
    orgs: Vec<Org>,
}

impl Shop {
    pub(crate) fn new(orgs: u32) -> Self {
        let org = |key: u32| Org { name: format!("shop-{key}"), key: key.cast_signed() };
        Self { orgs: (1..=orgs).map(org).collect() }
    }

    async fn create(&self, servers: &Servers) -> Result<(), Error> {
        for store in Store::BOTH {
            let client = connect(&servers.store_url(store)).await?;
            client.batch_execute(include_str!("schema.sql")).await?;
        }
        let old = connect(&servers.store_url(Store::Old)).await?;
        for Org { name, key } in &self.orgs {
            execute(&old, &format!("INSERT INTO shops VALUES ({key}, '{name}')")).await?;
            let accounts = format!("SELECT {key}, n, {BALANCE} FROM generate_series(1, {ACCOUNTS}) n");
            execute(&old, &format!("INSERT INTO accounts {accounts}")).await?;
        }
        Ok(())
    }
}

impl App for Shop {
    type Work = Work;
    type State = State;

    fn migration(&self) -> &'static str {
        "shop"
    }

    fn definition(&self) -> String {
        include_str!("shop.toml").into()
    }

    fn orgs(&self) -> &[Org] {
        &self.orgs
    }

    async fn prepare(&self, servers: &Servers) -> Result<(), String> {
        self.create(servers).await.map_err(|error| causes(&error))
    }

    fn beginning(&self, org: usize) -> State {
        self.orgs.get(org).map_or_else(State::default, |org| State::beginning(org.key, &org.name))
    }

    fn apply(&self, state: &mut State, write: &Write<Work>) {
        state.apply(write);
    }

    fn plan(&self, own: &State, id: i64, _client: i32, random: &mut StdRng) -> Work {
        let order = own.orders.keys().choose(random).copied();
        let line = own.lines.keys().choose(random).cloned();
        let dice = random.random_range(0..100);
        match (dice, order, line) {
            (30..35, _, _) => Work::Interest,
            (35..45, Some(order), _) => Work::Cancel { order },
            (45..55, Some(order), _) => Work::Renumber { order },
            (55..65, _, Some(line)) => Work::Rename { line, to: format!("{id}-r") },
            (65..72, Some(to), Some(line)) => Work::Reassign { line, to },
            (72..80, Some(_), _) => Work::Touch,
            (80.., Some(order), _) if own.orders.len() >= ORDERS_MAX => Work::Cancel { order },
            (35.., _, _) => Work::Order { lines: random.random_range(0..4) },
            _ => {
                let from = random.random_range(1..=ACCOUNTS);
                let to = 1 + (from - 1 + random.random_range(1..ACCOUNTS)) % ACCOUNTS;
                Work::Transfer { from, to, amount: random.random_range(1..100) }
            }
        }
    }

    fn mark(&self, write: &Write<Work>) -> String {
        let Write { id, client, .. } = write;
        let shop = self.key(write);
        format!("INSERT INTO writes (id, shop, client) VALUES ({id}, {shop}, {client}) ON CONFLICT DO NOTHING")
    }

    fn is_marked(&self, write: &Write<Work>) -> String {
        format!("SELECT id FROM writes WHERE id = {}", write.id)
    }

    async fn perform(
        &self,
        client: &Client,
        write: &Write<Work>,
        isolation: Isolation,
    ) -> Result<Option<String>, Error> {
        perform::perform(client, self.key(write), write, isolation).await
    }

    fn rows(&self, state: &State) -> Rows {
        state.rows()
    }

    fn queries(&self, org: &Org) -> Vec<(&'static str, String)> {
        let key = org.key;
        let orders = format!("SELECT id FROM orders WHERE shop = {key}");
        let lines = format!("SELECT id FROM order_lines WHERE order_id IN ({orders})");
        let query = |table, condition: String| (table, format!("SELECT t::text FROM {table} t WHERE {condition}"));
        vec![
            query("shops", format!("id = {key}")),
            query("accounts", format!("shop = {key}")),
            query("orders", format!("shop = {key}")),
            query("order_lines", format!("order_id IN ({orders})")),
            query("line_notes", format!("line_id IN ({lines})")),
            // It gets more columns while the trial runs.
            ("writes", format!("SELECT (ROW(id, shop, client))::text FROM writes WHERE shop = {key}")),
        ]
    }

    fn never(&self) -> &'static [&'static str] {
        &[
            "order_lines l WHERE NOT EXISTS (SELECT FROM orders o WHERE o.id = l.order_id)",
            "line_notes n WHERE NOT EXISTS (SELECT FROM order_lines l WHERE l.id = n.line_id)",
        ]
    }

    fn marks(&self, org: &Org) -> String {
        format!("SELECT id::text FROM writes WHERE shop = {}", org.key)
    }
}

impl Shop {
    fn key(&self, write: &Write<Work>) -> i32 {
        self.orgs.get(write.org).map_or(0, |org| org.key)
    }
}
