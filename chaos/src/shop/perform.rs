//! The statements of a write.

use tokio_postgres::{Client, Error};

use crate::app::{Isolation, Write};
use crate::postgres::{execute, texts};

use super::state::{Work, line_id};

pub(super) async fn perform(
    client: &Client,
    shop: i32,
    write: &Write<Work>,
    isolation: Isolation,
) -> Result<Option<String>, Error> {
    let id = write.id;
    match &write.work {
        Work::Transfer { from, to, amount } => {
            for (account, change) in [(from, -amount), (to, *amount)] {
                let place = format!("shop = {shop} AND number = {account}");
                let sql = format!("SELECT balance FROM accounts WHERE {place} {}", isolation.for_update());
                let Some(balance) = texts(client, &sql).await?.first().and_then(|text| text.parse::<i64>().ok()) else {
                    return Ok(Some(format!("account {account} is not there")));
                };
                let new = balance + change;
                let changed = execute(client, &format!("UPDATE accounts SET balance = {new} WHERE {place}")).await?;
                if changed != 1 {
                    return Ok(Some(format!("account {account} was changed in {changed} rows")));
                }
            }
            Ok(None)
        }
        Work::Interest => {
            // In no particular order: deadlocks are normal.
            execute(client, &format!("UPDATE accounts SET interest = interest + 1 WHERE shop = {shop}")).await?;
            Ok(None)
        }
        Work::Order { lines } => {
            execute(client, &format!("INSERT INTO orders VALUES ({id}, {shop}, {})", write.client)).await?;
            if *lines > 0 {
                let ids: Vec<String> = (1..=*lines).map(|number| line_id(id, number)).collect();
                let rows: Vec<String> = ids.iter().map(|line| format!("('{line}', {id}, 0)")).collect();
                execute(client, &format!("INSERT INTO order_lines VALUES {}", rows.join(", "))).await?;
                let rows: Vec<String> = ids.iter().map(|line| format!("('{line}', 1, 'of-{id}')")).collect();
                execute(client, &format!("INSERT INTO line_notes VALUES {}", rows.join(", "))).await?;
            }
            Ok(None)
        }
        Work::Cancel { order } => one(client, &format!("DELETE FROM orders WHERE id = {order}")).await,
        Work::Renumber { order } => one(client, &format!("UPDATE orders SET id = {id} WHERE id = {order}")).await,
        Work::Rename { line, to } => {
            one(client, &format!("UPDATE order_lines SET id = '{to}' WHERE id = '{line}'")).await
        }
        Work::Reassign { line, to } => {
            one(client, &format!("UPDATE order_lines SET order_id = {to} WHERE id = '{line}'")).await
        }
        Work::Touch => {
            let mine = format!("shop = {shop} AND owner = {}", write.client);
            execute(client, &format!("UPDATE orders SET touched = touched + 1 WHERE {mine}")).await?;
            let lines = "UPDATE order_lines l SET touched = l.touched + 1 FROM orders o";
            execute(client, &format!("{lines} WHERE o.id = l.order_id AND {mine}")).await?;
            Ok(None)
        }
    }
}

/// A statement that must change exactly one row.
async fn one(client: &Client, sql: &str) -> Result<Option<String>, Error> {
    let changed = execute(client, sql).await?;
    Ok((changed != 1).then(|| format!("{sql} changed {changed} rows")))
}
