//! A strict parser of the text format of Prometheus: whatever it forbids fails the test.

use std::collections::BTreeMap;

pub(crate) type Labels = BTreeMap<String, String>;

/// One metric.
#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) kind: String,
    /// By the name of the sample, which for histograms has an ending, and by labels.
    pub(crate) samples: BTreeMap<(String, Labels), f64>,
}

/// All that a text says.
#[derive(Debug)]
pub(crate) struct Exposition(pub(crate) BTreeMap<String, Family>);

impl Exposition {
    pub(crate) fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line has an end too");
        let mut families: BTreeMap<String, Family> = BTreeMap::new();
        let mut current = String::new();
        let mut helped = None;
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(helped.is_none() && !help.trim().is_empty(), "{line}");
                helped = Some(name.to_owned());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                let explained = helped.take().unwrap_or_else(|| panic!("{name} is not explained"));
                assert_eq!(explained, name);
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(is_name(name), "{line}");
                assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
                let family = Family { kind: kind.into(), ..Family::default() };
                assert!(families.insert(name.into(), family).is_none(), "{name} comes twice");
                current = name.into();
            } else {
                assert!(!line.starts_with('#') && helped.is_none(), "{line}");
                let (name, labels, value) = sample(line);
                let family = families.get_mut(&current).unwrap();
                let ending =
                    name.strip_prefix(current.as_str()).unwrap_or_else(|| panic!("not below its TYPE: {line}"));
                let endings: &[&str] = if family.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
                assert!(endings.contains(&ending), "{line}");
                assert!(family.kind == "gauge" || value >= 0.0, "{line}");
                assert!(family.samples.insert((name.into(), labels), value).is_none(), "twice: {line}");
            }
        }
        let read = Self(families);
        read.0.iter().filter(|(_, family)| family.kind == "histogram").for_each(|(name, family)| buckets(name, family));
        read
    }

    /// The only sample with exactly these labels.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(name, labels).unwrap_or_else(|| panic!("no {name} {labels:?} in {self:#?}"))
    }

    /// The same, which may be missing.
    pub(crate) fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels: Labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        self.0.values().find_map(|family| family.samples.get(&(name.to_owned(), labels.clone())).copied())
    }

    /// All samples of this name together.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        let samples = self.0.values().flat_map(|family| &family.samples);
        samples.filter(|((known, _), _)| known == name).map(|(_, value)| value).sum()
    }
}

fn sample(line: &str) -> (&str, Labels, f64) {
    let (head, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = match head.split_once('{') {
        Some((name, labels)) => (name, read_labels(labels.strip_suffix('}').unwrap())),
        None => (head, Labels::new()),
    };
    assert!(is_name(name), "{line}");
    (name, labels, value.parse().unwrap())
}

fn read_labels(mut text: &str) -> Labels {
    let mut labels = Labels::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").unwrap();
        assert!(is_name(name) && !name.contains(':'), "{text}");
        let mut value = String::new();
        let mut chars = rest.char_indices();
        let end = loop {
            match chars.next().unwrap() {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next().unwrap().1 {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    other => panic!("\\{other} in {text}"),
                }),
                (_, c) => value.push(c),
            }
        };
        assert!(labels.insert(name.into(), value).is_none(), "{text}");
        let rest = &rest[end + 1..];
        text = match rest.strip_prefix(',') {
            Some(more) => {
                assert!(!more.is_empty());
                more
            }
            None => {
                assert!(rest.is_empty(), "{text}");
                rest
            }
        };
    }
    labels
}

fn is_name(name: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    name.chars().all(word) && name.starts_with(|c: char| !c.is_ascii_digit())
}

/// Buckets grow, and the last one has all samples.
fn buckets(name: &str, family: &Family) {
    let mut by_labels: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for ((sample, labels), count) in &family.samples {
        if sample.ends_with("_bucket") {
            let mut labels = labels.clone();
            let le = labels.remove("le").unwrap();
            let le = if le == "+Inf" { f64::INFINITY } else { le.parse().unwrap() };
            by_labels.entry(labels).or_default().push((le, *count));
        }
    }
    for (labels, mut buckets) in by_labels {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{name} {labels:?} {buckets:?}");
        let &(last, all) = buckets.last().unwrap();
        assert_eq!(last, f64::INFINITY);
        assert_eq!(family.samples[&(format!("{name}_count"), labels.clone())], all);
        assert!(family.samples.contains_key(&(format!("{name}_sum"), labels)));
    }
}
