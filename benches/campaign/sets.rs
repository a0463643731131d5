//! The three measurements.

use mover::demo::sample::Shape;

use crate::figures::{Goal, Series, Table};
use crate::options::{Options, Set};
use crate::world::World;
use crate::{Trouble, baseline, binary, machine, say};

const PEAK_MB: Option<Goal> = Some(Goal::AtMost(150.0));

/// (a) Orgs from tiny to large against a pipe of the whole tables.
pub(crate) async fn uneven(world: &World, options: &Options) -> Result<Table, Trouble> {
    let shape = scaled(Shape::bench_uneven(), options)?;
    let workers = options.workers(Set::Uneven);
    world.fill(&shape).await?;
    let (mut pipes, mut moves) = (Pipes::default(), Campaigns::default());
    for run in 1..=options.runs {
        pipes.run(world, run).await?;
        moves.run(world, "whole_org_offline", &shape, workers, run).await?;
    }
    let rows = shape.rows_total as f64;
    Ok(Table::new(format!("(a) {} orgs, Zipf, {rows} rows, {workers} workers", shape.orgs))
        .line("pipe, s", &pipes.seconds, 2, None)
        .line("mover, verified, s", &moves.seconds, 2, None)
        .line("mover / pipe", &moves.seconds.over(&pipes.seconds), 2, Some(Goal::AtMost(2.0)))
        .line("mover / pipe, processor time", &moves.cpu_seconds.over(&pipes.cpu_seconds), 2, None)
        .line("mover, rows a second", &moves.seconds.per(rows), 0, None)
        .line("mover, peak memory, MB", &moves.peak_mb, 0, PEAK_MB))
}

/// (b) Many small orgs against the same pipe, and against what the pool can commit.
pub(crate) async fn small(world: &World, options: &Options) -> Result<Table, Trouble> {
    let shape = scaled(Shape::bench_small(), options)?;
    let workers = options.workers(Set::Small);
    world.fill(&shape).await?;
    let (mut pipes, mut commits, mut moves) = (Pipes::default(), Series::default(), Campaigns::default());
    for run in 1..=options.runs {
        pipes.run(world, run).await?;
        commits.push(baseline::commits(world, workers).await?);
        moves.run(world, "whole_org_offline", &shape, workers, run).await?;
    }
    let rate = moves.seconds.per(f64::from(shape.orgs));
    Ok(Table::new(format!("(b) {} orgs of about 100 rows, {workers} workers", shape.orgs))
        .line("pipe, s", &pipes.seconds, 2, None)
        .line("pool, one-row commits a second", &commits, 0, None)
        .line("mover, verified, s", &moves.seconds, 2, None)
        .line("mover, orgs a second", &rate, 0, Some(Goal::AtLeast(500.0)))
        .line("mover / pipe (times)", &moves.seconds.over(&pipes.seconds), 2, None)
        .line("mover / pipe, processor time", &moves.cpu_seconds.over(&pipes.cpu_seconds), 2, None)
        .line("processor ms an org, servers included", &moves.cpu_ms_per(shape.orgs), 2, None)
        .line("pool's commits / mover's orgs (rates)", &commits.over(&rate), 2, None)
        .line("mover, peak memory, MB", &moves.peak_mb, 0, PEAK_MB))
}

/// (c) Moves that copy nothing against transactions of two updates.
pub(crate) async fn empty(world: &World, options: &Options) -> Result<Table, Trouble> {
    let shape = scaled(Shape::bench_small(), options)?;
    let shape = Shape { rows_total: u64::from(shape.orgs) * 10, bytes_per_row: 200, ..shape };
    let workers = options.workers(Set::Empty);
    world.fill(&shape).await?;
    let (mut pgbench, mut moves) = (Series::default(), Campaigns::default());
    for run in 1..=options.runs {
        world.checkpoint().await?;
        pgbench.push(baseline::pgbench(world).await?);
        moves.run(world, "flags_only", &shape, workers, run).await?;
    }
    let rate = moves.seconds.per(f64::from(shape.orgs));
    Ok(Table::new(format!("(c) {} moves without tables, {workers} workers", shape.orgs))
        .line("pgbench, two updates, 8 clients, a second", &pgbench, 0, None)
        .line("mover, s", &moves.seconds, 2, None)
        .line("mover, moves a second", &rate, 0, Some(Goal::AtLeast(1000.0)))
        .line("pgbench / mover (rates)", &pgbench.over(&rate), 2, None)
        .line("processor ms a move, servers included", &moves.cpu_ms_per(shape.orgs), 2, None)
        .line("mover, peak memory, MB", &moves.peak_mb, 0, PEAK_MB))
}

fn scaled(shape: Shape, options: &Options) -> Result<Shape, Trouble> {
    let orgs = u32::try_from(options.scaled(shape.orgs.into()))?;
    let rows = options.scaled(shape.rows_total);
    Ok(shape.orgs(orgs).rows(rows))
}

/// Whole tables through a pipe.
#[derive(Default)]
struct Pipes {
    seconds: Series,
    cpu_seconds: Series,
}

impl Pipes {
    async fn run(&mut self, world: &World, run: usize) -> Result<(), Trouble> {
        world.reset().await?;
        let (load, cpu_before) = (machine::load(), world.cpu_seconds().await?);
        let seconds = baseline::pipe(world).await?;
        let cpu_seconds = world.cpu_seconds().await? - cpu_before;
        say(format_args!("run {run}: pipe {seconds:.2} s, {cpu_seconds:.2} s of processor (load before {load})"));
        self.seconds.push(seconds);
        self.cpu_seconds.push(cpu_seconds);
        Ok(())
    }
}

/// Whole campaigns, as an operator runs them.
#[derive(Default)]
struct Campaigns {
    seconds: Series,
    cpu_seconds: Series,
    peak_mb: Series,
}

impl Campaigns {
    /// Captures and releases all orgs, then measures the command that moves them.
    async fn run(
        &mut self,
        world: &World,
        migration: &str,
        shape: &Shape,
        workers: u32,
        run: usize,
    ) -> Result<(), Trouble> {
        world.reset().await?;
        let config = world.config()?;
        binary::exec(&config, &format!("orgs capture {migration}")).await?;
        binary::exec(&config, &format!("orgs ready {migration} all")).await?;
        world.checkpoint().await?;
        let (load, cpu_before) = (machine::load(), world.cpu_seconds().await?);
        let ran = binary::exec(&config, &format!("migrate {migration} all workers={workers} sleep=0")).await?;
        let cpu_seconds = world.cpu_seconds().await? - cpu_before;
        let migrated = ran.answer["migrated"].as_u64();
        if migrated != Some(shape.orgs.into()) {
            return Err(format!("of {} orgs {migrated:?} were migrated: {}", shape.orgs, ran.answer).into());
        }
        let rate = f64::from(shape.orgs) / ran.seconds;
        say(format_args!(
            "run {run}: mover {:.2} s, {cpu_seconds:.2} s of processor, {rate:.0} orgs a second, peak {:.0} MB (load before {load})",
            ran.seconds, ran.peak_mb
        ));
        self.seconds.push(ran.seconds);
        self.cpu_seconds.push(cpu_seconds);
        self.peak_mb.push(ran.peak_mb);
        Ok(())
    }

    fn cpu_ms_per(&self, orgs: u32) -> Series {
        self.cpu_seconds.times(1000.0 / f64::from(orgs))
    }
}
