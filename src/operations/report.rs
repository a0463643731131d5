//! `report`: how a migration went, as Markdown.

use std::fmt::Write as _;

use mover_actors::domain::ids::MigrationName;
use serde_json::json;

use super::answer::{Answer, at, ms, short};
use super::error::OperationError;
use super::status::StatusView;
use super::world::World;

const FAILURES_MAX: u32 = 100;

/// `report`, on the screen or into a file.
pub(super) async fn report(
    world: &World,
    migration: &MigrationName,
    out: Option<&str>,
) -> Result<Answer, OperationError> {
    let name = &world.definition(migration)?.name;
    let text = markdown(world, name).await?;
    let Some(path) = out else { return Ok(Answer::new(text.clone(), json!({ "report": text }))) };
    std::fs::write(path, &text).map_err(|error| OperationError::File {
        path: path.into(),
        line: None,
        problem: error.to_string(),
    })?;
    Ok(Answer::new(format!("written to {path}"), json!({ "written_to": path })))
}

async fn markdown(world: &World, migration: &MigrationName) -> Result<String, OperationError> {
    let status = StatusView::read(world, Some(migration)).await?;
    let mut text = format!("# {migration}\n\n{}\n\n", at(std::time::SystemTime::now()));
    for view in &status.migrations {
        let _ = writeln!(text, "| state | orgs |\n|---|---|");
        for (state, orgs) in [
            ("holding", view.holding),
            ("ready", view.ready),
            ("in flight", view.started),
            ("migrated", view.migrated),
            ("failed", view.failed),
            ("rolled back", view.rolled_back),
            ("finalized", view.finalized),
        ] {
            let _ = writeln!(text, "| {state} | {orgs} |");
        }
        if let Some(closed) = view.closed {
            let _ = writeln!(
                text,
                "\nClosed for writes: p50 {}, p99 {}, max {}.",
                ms(closed.p50_ms),
                ms(closed.p99_ms),
                ms(closed.max_ms)
            );
        }
    }
    let _ = writeln!(
        text,
        "\n## Campaigns\n\n| campaign | for | opened (UTC) | claimed | reached | failed | phase | reason |\n|---|---|---|---|---|---|---|---|"
    );
    for view in world.log.recent_campaigns(50).await? {
        let campaign = &view.campaign;
        if campaign.migration == *migration {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                campaign.id,
                campaign.aim,
                at(view.opened_at),
                campaign.claimed,
                campaign.migrated,
                campaign.failed,
                campaign.phase.as_str(),
                cell(campaign.reason.as_deref().unwrap_or(""))
            );
        }
    }
    let failures = world.log.failures(migration, FAILURES_MAX).await?;
    if !failures.is_empty() {
        let _ = writeln!(text, "\n## Failed\n\n| org | step | reason | table | row |\n|---|---|---|---|---|");
    }
    for view in &failures {
        if let Some(failure) = &view.record.failure {
            let place = |value: &Option<String>| cell(value.as_deref().unwrap_or(""));
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                cell(view.record.org.as_str()),
                failure.step,
                cell(&failure.reason),
                place(&failure.place.table),
                place(&failure.place.row)
            );
        }
    }
    Ok(text)
}

/// A text that cannot break out of its table cell.
fn cell(text: &str) -> String {
    short(text, 300).replace('|', "\\|")
}
