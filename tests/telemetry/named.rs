//! Whoever reads of a metric finds it.

use std::collections::BTreeSet;
use std::path::Path;

use crate::exposition::Exposition;

const FILES: [&str; 3] = ["deploy/grafana/mover.json", "deploy/prometheus/alerts.yml", "docs/metrics.md"];

/// Every metric that is told is in the documentation, and every metric that a file names is told. To be called with all
/// that a Mover tells which has moved orgs.
pub(crate) fn everything_is_documented(told: &Exposition) {
    let told: BTreeSet<String> = told.0.keys().cloned().collect();
    let documentation = names_in("docs/metrics.md");
    assert_eq!(told.difference(&documentation).collect::<Vec<_>>(), Vec::<&String>::new(), "not in docs/metrics.md");
    for file in FILES {
        let named = names_in(file);
        assert!(!named.is_empty(), "{file}");
        assert_eq!(named.difference(&told).collect::<Vec<_>>(), Vec::<&String>::new(), "named in {file}");
    }
}

/// The metrics that a file of this repository names.
fn names_in(file: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let metrics = words.filter(|word| word.starts_with("mover_"));
    metrics
        .map(|name| ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).into())
        .collect()
}
