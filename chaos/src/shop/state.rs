//! The rows of a shop, and the effect of a write on them.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::{Rows, Write};

pub(super) const ACCOUNTS: i32 = 12;
pub(super) const BALANCE: i64 = 1_000;

/// The work of a transaction.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// Reads both balances, and writes them from those values.
    Transfer { from: i32, to: i32, amount: i64 },
    /// Updates all accounts at once.
    Interest,
    /// Inserts an order with the write's number, its lines and their notes.
    Order { lines: u32 },
    /// Deletes an order, and with it its lines and notes.
    Cancel { order: i64 },
    /// Gives an order the write's number as its key, and its lines reference that.
    Renumber { order: i64 },
    /// Gives a line another key.
    Rename { line: String, to: String },
    /// Moves a line to another order.
    Reassign { line: String, to: i64 },
    /// Updates all orders of the client and their lines.
    Touch,
}

/// The rows of a shop.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(super) shop: i32,
    pub(super) name: String,
    accounts: BTreeMap<i32, (i64, i32)>,
    pub(super) orders: BTreeMap<i64, Order>,
    pub(super) lines: BTreeMap<String, Line>,
    writes: BTreeSet<(i64, i32)>,
}

#[derive(Debug, Clone)]
pub(super) struct Order {
    owner: i32,
    touched: i32,
}

#[derive(Debug, Clone)]
pub(super) struct Line {
    order: i64,
    touched: i32,
    note: i64,
}

/// The key of one of the lines of a new order.
pub(super) fn line_id(order: i64, number: u32) -> String {
    format!("{order}-{number}")
}

impl State {
    pub(super) fn beginning(shop: i32, name: &str) -> Self {
        let accounts = (1..=ACCOUNTS).map(|number| (number, (BALANCE, 0))).collect();
        Self { shop, name: name.into(), accounts, ..Self::default() }
    }

    pub(super) fn apply(&mut self, write: &Write<Work>) {
        self.writes.insert((write.id, write.client));
        match &write.work {
            Work::Transfer { from, to, amount } => {
                self.accounts.entry(*from).or_default().0 -= amount;
                self.accounts.entry(*to).or_default().0 += amount;
            }
            Work::Interest => self.accounts.values_mut().for_each(|account| account.1 += 1),
            Work::Order { lines } => {
                self.orders.insert(write.id, Order { owner: write.client, touched: 0 });
                for number in 1..=*lines {
                    let line = Line { order: write.id, touched: 0, note: write.id };
                    self.lines.insert(line_id(write.id, number), line);
                }
            }
            Work::Cancel { order } => {
                self.orders.remove(order);
                self.lines.retain(|_, line| line.order != *order);
            }
            Work::Renumber { order } => {
                if let Some(found) = self.orders.remove(order) {
                    self.orders.insert(write.id, found);
                }
                self.lines.values_mut().filter(|line| line.order == *order).for_each(|line| line.order = write.id);
            }
            Work::Rename { line, to } => {
                if let Some(found) = self.lines.remove(line) {
                    self.lines.insert(to.clone(), found);
                }
            }
            Work::Reassign { line, to } => {
                if let Some(found) = self.lines.get_mut(line) {
                    found.order = *to;
                }
            }
            Work::Touch => {
                let Self { orders, lines, .. } = self;
                let mine = |order: &i64| orders.get(order).is_some_and(|order| order.owner == write.client);
                lines.values_mut().filter(|line| mine(&line.order)).for_each(|line| line.touched += 1);
                orders.values_mut().filter(|o| o.owner == write.client).for_each(|order| order.touched += 1);
            }
        }
    }

    pub(super) fn rows(&self) -> Rows {
        let shop = self.shop;
        let sorted = |mut rows: Vec<String>| {
            rows.sort_unstable();
            rows
        };
        let accounts = self.accounts.iter();
        let accounts = accounts.map(|(number, (balance, interest))| format!("({shop},{number},{balance},{interest})"));
        let orders = self.orders.iter().map(|(id, order)| format!("({id},{shop},{},{})", order.owner, order.touched));
        let lines = self.lines.iter().map(|(id, line)| format!("({id},{},{})", line.order, line.touched));
        let notes = self.lines.iter().map(|(id, line)| format!("({id},1,of-{})", line.note));
        let writes = self.writes.iter().map(|(id, client)| format!("({id},{shop},{client})"));
        Rows::from([
            ("shops", vec![format!("({shop},{})", self.name)]),
            ("accounts", sorted(accounts.collect())),
            ("orders", sorted(orders.collect())),
            ("order_lines", sorted(lines.collect())),
            ("line_notes", sorted(notes.collect())),
            ("writes", sorted(writes.collect())),
        ])
    }
}
