//! Migrations that move no rows: statements that are carried out for each org, in one transaction of the target.
//!
//! The guard row of the org is written in the same transaction, so after a crash Mover finds that the statements are done, and does not
//! run them twice.

use mover_actors::domain::record::Lease;
use mover_actors::failpoint;
use mover_actors::ports::{Copied, EngineError};
use mover_actors::protocol::Mode;
use tokio_postgres::types::Type;

use crate::config::{Definition, SqlStep};
use crate::engine::check::report::Report;
use crate::engine::guard;
use crate::engine::schema::name::literal;
use crate::engine::store::Store;
use crate::engine::store::cohort::Cohort;
use crate::engine::store::connection::Session;
use crate::engine::store::error::{Doing, Failed};
use crate::session;

/// Carries out all statements, unless they are done already; returns how many rows they affected.
pub(in crate::engine) async fn carry_out(
    target: &Store,
    lease: &Lease,
    steps: &[SqlStep],
) -> Result<Copied, EngineError> {
    let to = target.session().await?;
    let entering = Doing::new(target.name(), "carrying out the steps of the org");
    begin(&to, entering).await?;
    let mut copied = Copied::default();
    if guard::enter(&to, &Cohort::one(lease), Mode::Incoming, entering).await?.is_empty() {
        look_up_as_the_role(&to, entering).await?;
        for step in steps {
            let doing = entering.on(&step.name);
            copied.rows += i64::try_from(execute(&to, &step.sql, lease, doing).await?).unwrap_or(i64::MAX);
            if let Some(check) = &step.check {
                prove(&to, check, lease, doing).await?;
            }
        }
        begin_own_work(&to, entering).await?;
    }
    failpoint::hit("copy.before_commit");
    to.batch_execute("COMMIT").await.map_err(|error| entering.failed(error))?;
    failpoint::hit("copy.committed");
    to.release();
    Ok(copied)
}

/// Undoes the statements, the last first. An org whose statements were never committed has nothing to undo.
pub(in crate::engine) async fn take_back(target: &Store, lease: &Lease, steps: &[SqlStep]) -> Result<(), EngineError> {
    let to = target.session().await?;
    let entering = Doing::new(target.name(), "taking back the steps of the org");
    begin(&to, entering).await?;
    if !guard::enter(&to, &Cohort::one(lease), Mode::Discarded, entering).await?.is_empty() {
        look_up_as_the_role(&to, entering).await?;
        for step in steps.iter().rev() {
            let doing = entering.on(&step.name);
            let undo = step.undo.as_ref().ok_or_else(|| doing.refused("this step has no undo in the definition"))?;
            execute(&to, undo, lease, doing).await?;
        }
        begin_own_work(&to, entering).await?;
    }
    failpoint::hit("discard.before_commit");
    to.batch_execute("COMMIT").await.map_err(|error| entering.failed(error))?;
    failpoint::hit("discard.committed");
    to.release();
    Ok(())
}

/// Whether the store understands every statement.
pub(in crate::engine) async fn check(
    report: &mut Report,
    definition: &Definition,
    target: &Store,
) -> Result<(), EngineError> {
    let to = target.session().await?;
    let reading = Doing::new(target.name(), "reading the steps");
    look_up_as_the_role(&to, reading).await?;
    for step in &definition.steps {
        for (kind, sql) in [("sql", Some(&step.sql)), ("check", step.check.as_ref()), ("undo", step.undo.as_ref())] {
            let Some(sql) = sql else { continue };
            let subject = format!("step {}", step.name);
            let doing = Doing::new(target.name(), "reading a step");
            match to.prepare_typed(sql, &[Type::TEXT]).await {
                Ok(_) => report.ok(subject, format!("{kind}: understood by store {}", target.name())),
                Err(error) => {
                    let remedy = "correct it in the definition; $1 is the org's key as a text, for example $1::uuid";
                    report.problem(subject, format!("{kind}: {}", doing.failed(error).reason), remedy);
                }
            }
        }
    }
    begin_own_work(&to, reading).await?;
    to.release();
    Ok(())
}

/// The statements are the operator's own, and mean the same as in any session of the role.
async fn look_up_as_the_role(to: &Session, doing: Doing<'_>) -> Result<(), EngineError> {
    let path = format!("SELECT pg_catalog.set_config('search_path', {}, false)", literal(to.role_path()));
    to.batch_execute(&path).await.map_err(|error| doing.failed(error))
}

/// What follows is Mover's own, and must be durable once committed, whatever the statements have set.
async fn begin_own_work(to: &Session, doing: Doing<'_>) -> Result<(), EngineError> {
    to.batch_execute(session::BEGIN).await.map_err(|error| doing.failed(error))
}

async fn begin(to: &Session, doing: Doing<'_>) -> Result<(), EngineError> {
    guard::prepare(to, doing).await?;
    to.batch_execute("BEGIN").await.map_err(|error| doing.failed(error))
}

/// `$1` is the org's key, as a text.
async fn execute(to: &Session, sql: &str, lease: &Lease, doing: Doing<'_>) -> Result<u64, EngineError> {
    let failed = |error| doing.failed(error);
    let statement = to.prepare_typed(sql, &[Type::TEXT]).await.map_err(failed)?;
    to.execute(&statement, &[&lease.key.as_str()]).await.map_err(failed)
}

async fn prove(to: &Session, sql: &str, lease: &Lease, doing: Doing<'_>) -> Result<(), EngineError> {
    let failed = |error| doing.failed(error);
    let statement = to.prepare_typed(sql, &[Type::TEXT]).await.map_err(failed)?;
    let row = to.query_opt(&statement, &[&lease.key.as_str()]).await.map_err(failed)?;
    let holds: Option<bool> = row.map(|row| row.try_get(0)).transpose().map_err(failed)?.flatten();
    match holds {
        Some(true) => Ok(()),
        Some(false) | None => Err(doing.refused(format!("its check does not hold: {sql}"))),
    }
}
