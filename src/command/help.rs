//! The output of `help`.

use super::spec::{Spec, specs};

/// All commands, one per line; or, for a topic such as `orgs` or `orgs ready`, everything about those.
pub fn help(topic: Option<&str>) -> String {
    match topic {
        None => overview(),
        Some(topic) => {
            let words: Vec<&str> = topic.split_whitespace().collect();
            let matching = specs().filter(|spec| spec.words.starts_with(&words));
            matching.map(explained).collect::<Vec<_>>().join("\n")
        }
    }
}

fn overview() -> String {
    let width = specs().map(|spec| spec.words.join(" ").len()).max().unwrap_or(0);
    let mut text = String::new();
    for spec in specs() {
        let words = spec.words.join(" ");
        text.push_str(&format!("  {words:width$}  {}\n", spec.summary));
    }
    text.push_str(
        "\nhelp COMMAND shows its syntax and examples. Names with spaces or odd characters stand in \"quotes\".\n\
         The console and runbooks also take calls of the original system, such as mover_manager:status(). with the final dot.\n",
    );
    text
}

fn explained(spec: &Spec) -> String {
    let mut text = format!("{}\n  {}\n", spec.syntax, spec.summary);
    if !spec.details.is_empty() {
        text.push_str(&format!("  {}\n", spec.details));
    }
    for example in spec.examples {
        text.push_str(&format!("    {example}\n"));
    }
    text
}
