//! Findings from all tasks of the trial.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// The most findings that are kept.
const KEPT_MAX: usize = 40;

/// Why the trial failed.
#[derive(Debug)]
pub struct Wrong(pub Vec<String>);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.0 {
            writeln!(f, "- {finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Wrong {}

/// Collects findings; the first one ends the trial.
#[derive(Debug)]
pub(crate) struct Evidence {
    found: Mutex<Vec<String>>,
    any: watch::Sender<bool>,
}

impl Evidence {
    pub(crate) fn new() -> Self {
        Self { found: Mutex::default(), any: watch::Sender::new(false) }
    }

    pub(crate) fn add(&self, finding: impl Into<String>) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.len() < KEPT_MAX {
            found.push(finding.into());
        }
        drop(found);
        self.any.send_replace(true);
    }

    pub(crate) fn is_any(&self) -> bool {
        *self.any.borrow()
    }

    /// Waits for the first finding.
    pub(crate) async fn first(&self) {
        let mut any = self.any.subscribe();
        // The sender lives as long as this.
        let _ = any.wait_for(|any| *any).await;
    }

    pub(crate) fn result(&self) -> Result<(), Wrong> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if found.is_empty() { Ok(()) } else { Err(Wrong(found)) }
    }
}
