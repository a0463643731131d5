//! A recorder for one test: everything runs on its thread.

use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use crate::fixture::play;

/// All counts, summed over the labels that were not selected.
pub struct Counted(Vec<(String, Labels, f64)>);

type Labels = Vec<(String, String)>;

/// Plays a scene and returns what was counted in it.
pub fn counted(scene: impl Future<Output = ()>) -> Counted {
    let recorder = DebuggingRecorder::new();
    metrics::with_local_recorder(&recorder, || play(scene));
    let all = recorder.snapshotter().snapshot().into_vec();
    Counted(
        all.into_iter()
            .map(|(key, _, _, value)| {
                let key = key.key();
                let labels = key.labels().map(|label| (label.key().to_owned(), label.value().to_owned())).collect();
                let value = match value {
                    DebugValue::Counter(count) => count as f64,
                    DebugValue::Gauge(value) => value.into_inner(),
                    DebugValue::Histogram(samples) => samples.len() as f64,
                };
                (key.name().to_owned(), labels, value)
            })
            .collect(),
    )
}

impl Counted {
    /// The value of a counter, or the number of samples of a histogram.
    pub fn of(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has =
            |known: &[(String, String)], (key, value): &(&str, &str)| known.iter().any(|(k, v)| k == key && v == value);
        let found = self
            .0
            .iter()
            .filter(|(known, has_labels, _)| known == name && labels.iter().all(|label| has(has_labels, label)));
        found.map(|(_, _, value)| value).sum()
    }
}
