//! The progress of a campaign: a bar on a terminal, otherwise a line from time to time.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use mover_actors::domain::campaign::Phase;
use mover_actors::domain::state::Aim;
use tokio::time::Instant;

use crate::operations::{CampaignStatus, LargeOrg, MigrationStatus};

use super::follow::OnCtrlC;
use super::screen::Screen;

const LINE_EVERY: Duration = Duration::from_secs(5);

/// The progress and speed of a campaign.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Progress {
    /// Its phase.
    pub(super) phase: Phase,
    /// The number of orgs that it will claim.
    pub(super) total: u64,
    /// Its aim.
    pub(super) aim: Aim,
    /// Orgs that have reached the aim.
    pub(super) migrated: u64,
    /// Orgs that have failed.
    pub(super) failed: u64,
    /// Orgs in flight.
    pub(super) in_flight: u64,
    /// Finished orgs per second, since this process began to watch.
    pub(super) per_second: f64,
    /// The remaining time by rows, and whether that is a lower bound.
    pub(super) by_rows: Option<(Duration, bool)>,
}

impl Progress {
    /// Finished orgs.
    pub(super) fn done(&self) -> u64 {
        self.migrated + self.failed
    }

    /// The remaining time, and whether that is a lower bound. Orgs that migrate are of very different sizes, so their number
    /// says nothing; rollbacks and finalizations are estimated by number.
    fn left(&self) -> Option<(Duration, bool)> {
        let left = self.total.saturating_sub(self.done());
        match self.aim {
            Aim::Migrate => self.by_rows,
            Aim::RollBack | Aim::Finalize => {
                (self.per_second > 0.0).then(|| (seconds(left as f64 / self.per_second), false))
            }
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} {}", self.migrated, self.total, self.aim.done())?;
        if self.failed > 0 {
            write!(f, ", {} failed", self.failed)?;
        }
        write!(f, ", {} in flight", self.in_flight)?;
        match self.phase {
            Phase::Running => {}
            Phase::Paused => write!(f, ", paused")?,
            Phase::Halting => write!(f, ", halting")?,
            Phase::Ended => write!(f, ", ended")?,
        }
        if self.per_second > 0.0 {
            write!(f, ", {:.1} orgs/s", self.per_second)?;
        }
        match self.left() {
            Some((left, at_least)) if self.phase == Phase::Running => {
                write!(f, ", {} {:#} left", if at_least { "at least" } else { "about" }, HumanDuration(left))
            }
            _ => Ok(()),
        }
    }
}

/// A duration of any number of seconds.
fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.clamp(0.0, 1e9))
}

/// The number of lines for workers; the others are counted.
const WORKERS_SHOWN: usize = 8;

/// Shows one campaign.
pub(super) struct View {
    screen: Screen,
    bars: Option<Bars>,
    total: u64,
    begun: Instant,
    done_at_begin: u64,
    line_at: Instant,
    waits: String,
    by_rows: Option<(Duration, bool)>,
    large: Vec<String>,
}

/// The bars on a terminal: the campaign, and below it lines of text that fit its width.
struct Bars {
    all: MultiProgress,
    campaign: ProgressBar,
    lines: Vec<ProgressBar>,
    keys: &'static str,
    width: usize,
}

impl View {
    /// Opens a view of a campaign with so many orgs: bars on the terminal, or lines if standard error is not a terminal.
    pub(super) fn open(screen: &Screen, campaign: &CampaignStatus, total: u64, keys: Option<OnCtrlC>) -> Self {
        let bars = std::io::stderr().is_terminal().then(|| {
            let bars = Bars::open(campaign, total, keys);
            screen.show_bars(bars.all.clone());
            bars
        });
        let begun = Instant::now();
        let done_at_begin = campaign.migrated + campaign.failed;
        Self {
            screen: screen.clone(),
            bars,
            total,
            begun,
            done_at_begin,
            line_at: begun,
            waits: String::new(),
            by_rows: None,
            large: Vec::new(),
        }
    }

    /// The present progress.
    pub(super) fn progress(&self, campaign: &CampaignStatus) -> Progress {
        let done = campaign.migrated + campaign.failed - self.done_at_begin.min(campaign.migrated + campaign.failed);
        let seconds = self.begun.elapsed().as_secs_f64();
        Progress {
            phase: campaign.phase,
            total: self.total.max(campaign.claimed),
            aim: campaign.aim,
            migrated: campaign.migrated,
            failed: campaign.failed,
            in_flight: campaign.in_flight,
            per_second: if seconds > 0.0 { done as f64 / seconds } else { 0.0 },
            by_rows: self.by_rows,
        }
    }

    /// Takes block times, remaining time and the progress of large orgs.
    pub(super) fn stands(&mut self, standing: Option<MigrationStatus>) {
        let Some(standing) = standing else { return };
        self.by_rows = standing.eta_seconds.map(|eta| (seconds(eta), standing.eta_at_least));
        self.large = standing.large_orgs.iter().map(LargeOrg::to_string).collect();
        if let Some(closed) = standing.closed {
            let [p50, p99, max] = [closed.p50_ms, closed.p99_ms, closed.max_ms].map(|ms| ms.round());
            self.waits = format!("closed for writes: p50 {p50} ms, p99 {p99} ms, max {max} ms");
        }
    }

    /// Shows the present state.
    pub(super) fn show(&mut self, campaign: &CampaignStatus, waiting: Option<&str>, workers: &[String]) {
        let progress = self.progress(campaign);
        let paused = campaign.reason.as_ref().filter(|_| campaign.phase == Phase::Paused);
        let text = match (waiting, paused) {
            (Some(cause), _) => format!("{progress}; waiting: {cause}"),
            (None, Some(reason)) => format!("{progress}; {reason}"),
            (None, None) => progress.to_string(),
        };
        match &mut self.bars {
            Some(bars) => {
                bars.campaign.set_length(progress.total);
                bars.campaign.set_position(progress.done());
                bars.show(&text, self.large.iter().chain(workers), &self.waits);
            }
            None if self.line_at <= Instant::now() => {
                eprintln!("{}: {text}", campaign.migration);
                self.large.iter().for_each(|large| eprintln!("  {large}"));
                self.line_at = Instant::now() + LINE_EVERY;
            }
            None => {}
        }
    }
}

impl Bars {
    fn open(campaign: &CampaignStatus, total: u64, keys: Option<OnCtrlC>) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let bar = all.add(ProgressBar::new(total));
        if let Ok(style) = ProgressStyle::with_template("{prefix} [{wide_bar:.green}] {percent:>3}%") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(campaign.migration.to_string());
        let keys = match keys {
            Some(OnCtrlC::Halts) => "b background · p pause · + - workers · Ctrl-C halts",
            Some(OnCtrlC::Leaves) => "b background · p pause · + - workers · Ctrl-C leaves",
            None => "",
        };
        Self { all, campaign: bar, lines: Vec::new(), keys, width: width() }
    }

    /// The progress, a line for each large org and for each worker as long as there are not too many, block times and keys: what is wider
    /// than the terminal goes on in the next line.
    fn show<'a>(&mut self, progress: &str, works: impl Iterator<Item = &'a String>, waits: &str) {
        self.fit();
        let works: Vec<&String> = works.collect();
        let more = works.len().saturating_sub(WORKERS_SHOWN);
        let shown = works.iter().take(WORKERS_SHOWN).map(|work| short_line(work, self.width));
        let mut lines = self.folded(progress);
        lines.extend(shown);
        lines.extend((more > 0).then(|| format!("  and {more} more")));
        lines.extend(self.folded(waits));
        lines.extend(self.folded(self.keys));
        while self.lines.len() < lines.len() {
            self.lines.push(self.all.add(line("{msg}")));
        }
        // A line that was shown once stays, empty, so that what is below does not jump.
        for (place, bar) in self.lines.iter().enumerate() {
            bar.set_message(lines.get(place).cloned().unwrap_or_default());
        }
    }

    /// A terminal whose width has changed has folded the lines that are there: it is wiped, and they are drawn again.
    fn fit(&mut self) {
        let width = width();
        if std::mem::replace(&mut self.width, width) != width {
            let _ = self.all.clear();
            // Home, and everything from there on.
            let _ = std::io::stderr().write_all(b"\x1b[H\x1b[J");
        }
    }

    fn folded(&self, text: &str) -> Vec<String> {
        let options = textwrap::Options::new(self.width).initial_indent("  ").subsequent_indent("    ");
        let lines = textwrap::wrap(text, options).into_iter().map(Into::into);
        lines.filter(|line: &String| !line.trim().is_empty()).collect()
    }
}

/// The columns that a line may have.
fn width() -> usize {
    let width = terminal_size::terminal_size_of(std::io::stderr()).map_or(80, |(width, _)| usize::from(width.0));
    // The last column stays free: a full line would make some terminals go on in the next one.
    width.max(20) - 1
}

/// What a worker does, on one line.
fn short_line(text: &str, width: usize) -> String {
    let text = text.replace(char::is_control, "·");
    let line = format!("  {text}");
    match line.chars().count() > width {
        true => line.chars().take(width - 1).chain(['…']).collect(),
        false => line,
    }
}

fn line(template: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

impl Drop for View {
    fn drop(&mut self) {
        if let Some(bars) = &self.bars {
            for bar in bars.lines.iter().chain([&bars.campaign]) {
                bar.finish_and_clear();
            }
            self.screen.clear();
        }
    }
}
