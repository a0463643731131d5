//! The output of `help`.

use serde_json::{Value, json};

use super::spec::{Spec, specs};

/// All commands, one per line; or, for a topic such as `orgs` or `orgs ready`, everything about those.
pub fn help(topic: Option<&str>) -> String {
    match topic {
        None => overview(),
        Some(_) => about(topic).map(in_full).collect::<Vec<_>>().join("\n"),
    }
}

/// The same for programs.
pub fn explained(topic: Option<&str>) -> Value {
    let command = |spec: &Spec| {
        json!({
            "command": spec.words.join(" "), "syntax": spec.syntax, "summary": spec.summary, "details": spec.details,
            "examples": spec.examples, "options": spec.options,
        })
    };
    about(topic).map(command).collect()
}

/// The commands of a topic; all without one.
fn about(topic: Option<&str>) -> impl Iterator<Item = &'static Spec> {
    let words: Vec<String> = topic.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    specs().filter(move |spec| spec.words.len() >= words.len() && spec.words.iter().zip(&words).all(|(a, b)| a == b))
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

fn in_full(spec: &Spec) -> String {
    let mut text = format!("{}\n  {}\n", spec.syntax, spec.summary);
    if !spec.details.is_empty() {
        text.push_str(&format!("  {}\n", spec.details));
    }
    for example in spec.examples {
        text.push_str(&format!("    {example}\n"));
    }
    text
}
