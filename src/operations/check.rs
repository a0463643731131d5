//! `check`: finds problems before anything runs.

use std::fmt;

use mover_actors::domain::ids::MigrationName;
use serde::Serialize;

use crate::config::Definition;
use crate::engine::{Finding, Level};

use super::check_flags;
use super::continuity::{self, Discontinuity};
use super::error::OperationError;
use super::world::World;

/// The findings, migration by migration.
#[derive(Debug, Serialize)]
pub struct Checked {
    /// Redis.
    pub redis: Finding,
    /// What keeps Redis from holding flags safely.
    pub redis_findings: Vec<Finding>,
    /// The migrations.
    pub migrations: Vec<CheckedMigration>,
}

/// One migration.
#[derive(Debug, Serialize)]
pub struct CheckedMigration {
    /// Its name.
    pub migration: MigrationName,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Checked {
    /// Checks everything and changes nothing. The move log is open already.
    pub async fn look(world: &World) -> Result<Self, OperationError> {
        let mut migrations = Vec::new();
        let changed = continuity::look(world).await?;
        for definition in world.definitions.iter() {
            let mut findings = world.engine.check(&definition.name).await.findings;
            let of_this = changed.iter().filter(|found| found.migration == definition.name);
            findings.extend(of_this.map(Discontinuity::finding));
            if let Ok(found) = check_flags::overruled(world, definition).await {
                findings.extend(found);
            }
            migrations.push(CheckedMigration { migration: definition.name.clone(), findings });
        }
        let redis = redis(world).await;
        // An unreachable server was reported.
        let redis_findings = check_flags::of_server(world).await.unwrap_or_default();
        Ok(Self { redis, redis_findings, migrations })
    }

    /// The worst level found.
    pub fn worst(&self) -> Level {
        self.findings().map(|finding| finding.level).max().unwrap_or(Level::Ok)
    }

    pub(super) fn findings(&self) -> impl Iterator<Item = &Finding> {
        let redis = std::iter::once(&self.redis).chain(&self.redis_findings);
        redis.chain(self.migrations.iter().flat_map(|checked| &checked.findings))
    }
}

async fn redis(world: &World) -> Finding {
    let subject = format!("Redis {}", world.flags.address());
    match world.flags.ping().await {
        Ok(()) => Finding { level: Level::Ok, subject, text: "answers".into(), remedy: None, statements: Vec::new() },
        Err(error) => Finding {
            level: Level::Problem,
            subject,
            text: error.to_string(),
            remedy: Some("mend this and check again".into()),
            statements: Vec::new(),
        },
    }
}

/// An error if the migration would fail.
pub(super) async fn refuse_unsafe(world: &World, definition: &Definition) -> Result<(), OperationError> {
    let report = world.engine.check(&definition.name).await;
    let of_flags = check_flags::overruled(world, definition).await?;
    let of_redis = check_flags::of_server(world).await?;
    let of_flags = of_flags.iter().chain(&of_redis).filter(|finding| finding.level == Level::Problem);
    let problems: Vec<_> =
        report.of_level(Level::Problem).chain(of_flags).map(|finding| format!("  {finding}")).collect();
    match problems.is_empty() {
        true => Ok(()),
        false => Err(OperationError::Unsafe { migration: definition.name.to_string(), problems: problems.join("\n") }),
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.redis)?;
        self.redis_findings.iter().try_for_each(|finding| writeln!(f, "  {finding}"))?;
        for checked in &self.migrations {
            writeln!(f, "{}", checked.migration)?;
            checked.findings.iter().try_for_each(|finding| writeln!(f, "  {finding}"))?;
        }
        if self.migrations.is_empty() {
            writeln!(f, "there are no migration definitions")?;
        }
        let of = |level| self.findings().filter(|finding| finding.level == level).count();
        writeln!(f, "{} problems, {} warnings", of(Level::Problem), of(Level::Warning))
    }
}
