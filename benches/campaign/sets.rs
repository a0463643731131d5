//! The three measurements.

use mover::demo::sample::Shape;

use crate::figures::{Goal, Series, Table};
use crate::options::{Options, Set};
use crate::world::World;
use crate::{Trouble, baseline, binary, machine, say};

const PEAK_MB: Option<Goal> = Some(Goal::AtMost(100.0));
const OFFLINE: &str = "whole_org_offline";
const ONLINE: &str = "whole_org";

/// (a) Orgs from tiny to large against two pipes of the whole tables.
pub(crate) async fn uneven(world: &World, options: &Options) -> Result<Table, Trouble> {
    let shape = scaled(Shape::bench_uneven(), options)?;
    let workers = options.workers(Set::Uneven);
    world.fill(&shape).await?;
    let rows = shape.rows_total;
    let compared = Compared::run(world, options, &shape, workers).await?;
    let title = format!("(a) {} orgs, Zipf, {rows} rows, {workers} workers", shape.orgs);
    Ok(compared.table(title, &shape, Goal::AtMost(1.5), Goal::AtMost(1.7)))
}

/// (b) Many small orgs against the same pipes.
pub(crate) async fn small(world: &World, options: &Options) -> Result<Table, Trouble> {
    let shape = scaled(Shape::bench_small(), options)?;
    let workers = options.workers(Set::Small);
    world.fill(&shape).await?;
    let compared = Compared::run(world, options, &shape, workers).await?;
    let title = format!("(b) {} orgs of about 100 rows, {workers} workers", shape.orgs);
    Ok(compared.table(title, &shape, Goal::AtMost(1.6), Goal::AtMost(2.0)))
}

/// The pipes, an offline and an online campaign, run in turn.
#[derive(Default)]
struct Compared {
    pipes: Pipes,
    offline: Campaigns,
    online: Campaigns,
}

impl Compared {
    async fn run(world: &World, options: &Options, shape: &Shape, workers: u32) -> Result<Self, Trouble> {
        let mut compared = Self::default();
        for run in 1..=options.runs {
            compared.pipes.run(world, run).await?;
            compared.offline.run(world, OFFLINE, shape, workers, run).await?;
            compared.online.run(world, ONLINE, shape, workers, run).await?;
        }
        Ok(compared)
    }

    fn table(&self, title: String, shape: &Shape, offline: Goal, online: Goal) -> Table {
        let pipes = &self.pipes;
        let mut table = Table::new(title).line("two pipes, s", &pipes.seconds, 2, None);
        for (name, moves, goal) in [("offline", &self.offline, offline), ("online", &self.online, online)] {
            let named = |what: &str| format!("{name}{what}");
            table = table
                .line(&named(", verified, s"), &moves.seconds, 2, None)
                .line(&named(" / pipes"), &moves.seconds.over(&pipes.seconds), 2, Some(goal))
                .line(&named(" / pipes, processor time"), &moves.cpu_seconds.over(&pipes.cpu_seconds), 2, None)
                .line(&named(", orgs a second"), &moves.seconds.per(f64::from(shape.orgs)), 0, None)
                .line(&named(", processor ms an org"), &moves.cpu_ms_per(shape.orgs), 2, None)
                .line(&named(", peak memory, MB"), &moves.peak_mb, 0, PEAK_MB);
        }
        table
    }
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
        .line("mover, moves a second", &rate, 0, Some(Goal::AtLeast(5000.0)))
        .line("mover / pgbench (rates)", &rate.over(&pgbench), 2, Some(Goal::AtLeast(0.6)))
        .line("processor ms a move, servers included", &moves.cpu_ms_per(shape.orgs), 2, None)
        .line("mover, peak memory, MB", &moves.peak_mb, 0, PEAK_MB))
}

fn scaled(shape: Shape, options: &Options) -> Result<Shape, Trouble> {
    let orgs = u32::try_from(options.scaled(shape.orgs.into()))?;
    let rows = options.scaled(shape.rows_total);
    Ok(shape.orgs(orgs).rows(rows))
}

/// Whole tables through two pipes.
#[derive(Default)]
struct Pipes {
    seconds: Series,
    cpu_seconds: Series,
}

impl Pipes {
    async fn run(&mut self, world: &World, run: usize) -> Result<(), Trouble> {
        world.reset().await?;
        let (load, cpu_before) = (machine::load(), world.cpu_seconds().await?);
        let seconds = baseline::pipes(world).await?;
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
