//! Every metric in docs, alerts and dashboard exists.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::exposition::Exposition;

const FILES: [&str; 3] = ["deploy/grafana/mover.json", "deploy/prometheus/alerts.yml", "docs/metrics.md"];

/// Every exported metric is in the documentation, and every metric that a file names is exported. Must be called with the full
/// exposition of a Mover that has moved orgs.
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
    let text = read(file);
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let metrics = words.filter(|word| word.starts_with("mover_"));
    metrics
        .map(|name| ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).into())
        .collect()
}

#[test]
fn each_alert_says_for_how_long_how_bad_and_what_to_do() {
    let alerts = read("deploy/prometheus/alerts.yml");
    let alerts: Vec<_> = alerts.split("- alert: ").skip(1).collect();
    assert!(alerts.len() >= 10);
    for alert in alerts {
        for part in ["expr: ", "for: ", "severity: ", "summary: ", "action: "] {
            assert!(alert.contains(part), "no {part} in {alert}");
        }
        // Prometheus itself checks it, if promtool is installed.
        let name = alert.lines().next().unwrap();
        assert!(read("deploy/prometheus/alerts_test.yml").contains(&format!("alertname: {name},")), "{name}");
    }
}

#[test]
fn each_panel_is_described_and_has_a_unit() {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/mover.json")).unwrap();
    assert_eq!(dashboard["templating"]["list"][0]["type"], "datasource");
    let panels = dashboard["panels"].as_array().unwrap();
    let mut ids = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{} has an id of another", panel["title"]);
        if panel["type"] == "row" {
            continue;
        }
        for text in [&panel["title"], &panel["description"], &panel["fieldConfig"]["defaults"]["unit"]] {
            assert!(!text.as_str().unwrap().is_empty(), "{}", panel["title"]);
        }
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}");
            assert!(target["expr"].as_str().unwrap().contains("job=~\"$job\""), "{}", panel["title"]);
        }
    }
    assert!(panels.len() > 20);
}

fn read(file: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap()
}
