//! Phases of one campaign: without and with clients, alternating until it ends.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::Trouble;
use crate::client_process::ClientProcess;
use crate::clients::Looks;
use crate::serving::{Campaign, Serving};

const PHASE: Duration = Duration::from_secs(5);
/// Connecting and disconnecting is not measured.
const SETTLE: Duration = Duration::from_millis(500);

/// The results of one campaign. The phase in which it ended does not count.
pub(crate) struct Measured {
    pub(crate) phases: usize,
    /// Orgs per second.
    pub(crate) alone: f64,
    pub(crate) looked_at: f64,
    /// Over all phases: the mean of the requests, the worst of everything else.
    pub(crate) looks: Looks,
}

#[derive(Default)]
struct Sum {
    orgs: f64,
    seconds: f64,
}

impl Sum {
    fn per_second(&self) -> Result<f64, Trouble> {
        if self.seconds > 0.0 {
            Ok(self.orgs / self.seconds)
        } else {
            Err("too few orgs: the campaign was too short".into())
        }
    }
}

pub(crate) async fn measure(serving: &Serving, orgs: u32, looked_at_first: bool) -> Result<Measured, Trouble> {
    let campaign = Campaign::begin(serving).await?;
    let (mut alone, mut looked_at, mut all) = (Sum::default(), Sum::default(), Vec::new());
    let mut is_looked_at = looked_at_first;
    let mut phases = 0;
    loop {
        let looking = if is_looked_at { Some(ClientProcess::start(serving)?) } else { None };
        sleep(SETTLE).await;
        let (begun, before) = (Instant::now(), campaign.moved().await?);
        sleep(PHASE).await;
        let (seconds, after) = (begun.elapsed().as_secs_f64(), campaign.moved().await?);
        let looks = match looking {
            Some(looking) => Some(looking.end().await?),
            None => None,
        };
        if campaign.has_ended(orgs).await? {
            break;
        }
        let sum = if is_looked_at { &mut looked_at } else { &mut alone };
        (sum.orgs, sum.seconds) = (sum.orgs + after - before, sum.seconds + seconds);
        all.extend(looks);
        phases += 1;
        is_looked_at = !is_looked_at;
    }
    let worst = |of: fn(&Looks) -> f64| all.iter().map(of).fold(0.0, f64::max);
    let looks = Looks {
        per_second: all.iter().map(|looks| looks.per_second).sum::<f64>() / all.len() as f64,
        p50_ms: worst(|looks| looks.p50_ms),
        p99_ms: worst(|looks| looks.p99_ms),
        listeners: all.iter().map(|looks| looks.listeners).min().unwrap_or(0),
    };
    Ok(Measured { phases, alone: alone.per_second()?, looked_at: looked_at.per_second()?, looks })
}
