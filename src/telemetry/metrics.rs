//! The recorder, and its text format.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::Pool;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use mover_actors::metering::{self, names};
use mover_actors::otp::Registry;
use tokio::runtime::Handle;
use tokio::time::{MissedTickBehavior, interval};

use crate::operations::World;

use super::described::{STEP_BUCKETS, WRITE_BLOCK_BUCKETS, describe};
use super::error::TelemetryError;
use super::move_log_metrics::MoveLogMetrics;
use super::page::Page;
use super::{pool_metrics, registry_metrics, route_metrics};

/// Samples of histograms are kept one by one until they are put into their buckets: at every scrape, and at this interval
/// without scrapes.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// A process has one recorder.
static INSTALLED: Mutex<Option<Metrics>> = Mutex::new(None);

/// The metrics of this process. Clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    recorded: PrometheusHandle,
    /// Whether the last read of the move log succeeded, so that an outage is logged once and not at every scrape.
    log_answers: Arc<AtomicBool>,
}

impl Metrics {
    /// The content type of [`Metrics::render`].
    pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

    /// Installs the recorder, if there is none. Must be called inside the runtime that lives as long as the process, before the
    /// tree is started; a process that never calls it counts nothing.
    pub fn install() -> Result<Metrics, TelemetryError> {
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(metrics) = installed.as_ref() {
            return Ok(metrics.clone());
        }
        let runtime = Handle::try_current().map_err(|_| TelemetryError::NoRuntime)?;
        let recorder = with_buckets(PrometheusBuilder::new())?.build_recorder();
        let recorded = recorder.handle();
        ::metrics::set_global_recorder(recorder).map_err(|_| TelemetryError::Recorder)?;
        describe();
        metering::begin_at_zero();
        runtime.spawn(keep_up(recorded.clone()));
        let metrics = Metrics { recorded, log_answers: Arc::new(AtomicBool::new(true)) };
        *installed = Some(metrics.clone());
        Ok(metrics)
    }

    /// All metrics as text. An unreachable move log is a metric, not an error.
    ///
    /// `pools`: connection pools of the move log, with their owners.
    pub async fn render(&self, world: &World, pools: &[(&str, &Pool)], registry: Option<&Registry>) -> String {
        let figures = MoveLogMetrics::read(&world.log).await;
        if let Err(error) = &figures
            && self.log_answers.swap(false, Ordering::Relaxed)
        {
            tracing::warn!(%error, "the move log does not answer, so metrics say nothing of it");
        }
        for definition in world.definitions.iter() {
            metering::begin_migration_at_zero(&definition.name);
        }
        let mut page = Page::after(self.recorded.render());
        let version = env!("CARGO_PKG_VERSION");
        page.gauge("mover_build_info", "1, with the version of this Mover").sample(&[("version", version)], 1);
        page.gauge("mover_move_log_up", "1 if the move log answered").sample(&[], if figures.is_ok() { 1 } else { 0 });
        if let Ok(figures) = figures {
            self.log_answers.store(true, Ordering::Relaxed);
            figures.write(&mut page);
        }
        route_metrics::write(world, &mut page).await;
        registry_metrics::write(registry, &mut page);
        pool_metrics::write(pools, &world.engine, &mut page);
        page.end()
    }
}

fn with_buckets(mut builder: PrometheusBuilder) -> Result<PrometheusBuilder, TelemetryError> {
    let histograms: [(&'static str, &[f64]); 2] =
        [(names::WRITE_BLOCK, &WRITE_BLOCK_BUCKETS), (names::STEP_DURATION, &STEP_BUCKETS)];
    for (name, buckets) in histograms {
        builder = builder
            .set_buckets_for_metric(Matcher::Full(name.into()), buckets)
            .map_err(|error| TelemetryError::Buckets { name, cause: error.to_string() })?;
    }
    Ok(builder)
}

async fn keep_up(recorded: PrometheusHandle) {
    let mut ticks = interval(UPKEEP_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        recorded.run_upkeep();
    }
}
