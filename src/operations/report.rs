//! `report`: how a migration went: orgs, rows, times, failures; as Markdown, and the same facts for programs.

use std::fmt::Write as _;
use std::time::SystemTime;

use indicatif::HumanBytes;
use mover_actors::domain::ids::MigrationName;
use serde_json::{Value, json};

use crate::state::read::{CampaignView, CopiedView, MoveView};

use super::answer::{Answer, at, ms, rfc3339, short, span};
use super::error::OperationError;
use super::status::{CampaignStatus, MigrationStatus, StatusView};
use super::world::World;

const FAILURES_MAX: u32 = 100;
const CAMPAIGNS_MAX: u32 = 50;

/// `report`, on the screen or into a file.
pub(super) async fn report(
    world: &World,
    migration: &MigrationName,
    out: Option<&str>,
) -> Result<Answer, OperationError> {
    let name = &world.definition(migration)?.name;
    let report = Report::read(world, name).await?;
    let text = report.markdown();
    let Some(path) = out else { return Ok(Answer::new(text.clone(), report.facts(text))) };
    std::fs::write(path, &text).map_err(|error| OperationError::File {
        path: path.into(),
        line: None,
        problem: error.to_string(),
    })?;
    Ok(Answer::new(format!("written to {path}"), json!({ "written_to": path })))
}

/// What a report is about.
struct Report {
    migration: MigrationName,
    at: SystemTime,
    status: Option<MigrationStatus>,
    campaigns: Vec<(CampaignView, CopiedView)>,
    failures: Vec<MoveView>,
}

impl Report {
    async fn read(world: &World, migration: &MigrationName) -> Result<Self, OperationError> {
        let status = StatusView::read(world, Some(migration)).await?.migrations.into_iter().next();
        let mut campaigns = Vec::new();
        for view in world.log.recent_campaigns(CAMPAIGNS_MAX).await? {
            if view.campaign.migration == *migration {
                let copied = world.log.copied(&view.campaign).await?;
                campaigns.push((view, copied));
            }
        }
        let failures = world.log.failures(migration, FAILURES_MAX).await?;
        Ok(Self { migration: migration.clone(), at: SystemTime::now(), status, campaigns, failures })
    }

    fn facts(&self, text: String) -> Value {
        let campaigns = self.campaigns.iter().map(|(view, copied)| {
            let mut campaign = json!(CampaignStatus::from(view.clone()));
            campaign["rows"] = json!(copied.rows);
            campaign["bytes"] = json!(copied.bytes);
            campaign["seconds"] = json!(seconds(view).map(|seconds| (seconds * 1e3).round() / 1e3));
            campaign
        });
        let failures = self.failures.iter().filter_map(|view| {
            let failure = view.record.failure.as_ref()?;
            Some(json!({ "org": view.record.org, "failure": failure }))
        });
        json!({
            "report": text,
            "migration": self.migration,
            "at": rfc3339(self.at),
            "status": self.status,
            "campaigns": campaigns.collect::<Vec<_>>(),
            "failures": failures.collect::<Vec<_>>(),
        })
    }

    fn markdown(&self) -> String {
        let mut text = format!("# {}\n\n{} UTC\n\n", self.migration, at(self.at));
        if let Some(status) = &self.status {
            orgs(&mut text, status);
        }
        self.campaigns(&mut text);
        self.failures(&mut text);
        text
    }

    fn campaigns(&self, text: &mut String) {
        let _ = writeln!(
            text,
            "\n## Campaigns\n\n| campaign | for | opened (UTC) | took | claimed | reached | failed | rows | size | phase | reason |\n\
             |---|---|---|---|---|---|---|---|---|---|---|"
        );
        for (view, copied) in &self.campaigns {
            let campaign = &view.campaign;
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                campaign.id,
                campaign.aim,
                at(view.opened_at),
                seconds(view).map_or("…".to_owned(), span),
                campaign.claimed,
                campaign.migrated,
                campaign.failed,
                copied.rows,
                HumanBytes(copied.bytes),
                campaign.phase.as_str(),
                cell(campaign.reason.as_deref().unwrap_or(""))
            );
        }
    }

    fn failures(&self, text: &mut String) {
        if !self.failures.is_empty() {
            let _ = writeln!(text, "\n## Failed\n\n| org | step | reason | table | row |\n|---|---|---|---|---|");
        }
        for view in &self.failures {
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
    }
}

/// How long a campaign took, if it has ended.
fn seconds(view: &CampaignView) -> Option<f64> {
    Some(view.ended_at?.duration_since(view.opened_at).ok()?.as_secs_f64())
}

fn orgs(text: &mut String, view: &MigrationStatus) {
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
        let [p50, p99, max] = [closed.p50_ms, closed.p99_ms, closed.max_ms].map(ms);
        let _ = writeln!(text, "\nClosed for writes: p50 {p50}, p99 {p99}, max {max}.");
    }
}

/// A text that cannot break out of its table cell.
fn cell(text: &str) -> String {
    short(text, 300).replace('|', "\\|")
}
