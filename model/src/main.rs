//! Explores every configuration, then the protocol without each of its measures, and prints the results.

use std::process::ExitCode;

use mover_model::explore::{self, Report};
use mover_model::{FULL, SMALL, Setting, Without, progress};

const HELP: &str = "\
Explores all states that the cutover protocol can reach, within bounds. Takes some minutes and up to 1 GiB of memory.

usage: mover-model [WHAT]...

  (nothing)            all of what follows
  SETTING              one configuration: every property must hold, every example be reached
  measures             for each measure of the protocol: what happens without it
  MEASURE              without one measure: the shortest path to the damage, step by step
  exits                whether from every state of the small configurations all can still come to rest
  --help               this text, with all names

Ends with 1 if anything is not as it should be.
";

fn main() -> ExitCode {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    if asked.iter().any(|word| word == "--help" || word == "-h") {
        help();
        return ExitCode::SUCCESS;
    }
    let mut good = true;
    if asked.is_empty() {
        for setting in &FULL {
            good &= setting_holds(setting);
        }
        good &= measures();
        good &= exits();
    }
    for word in &asked {
        good &= match (find_setting(word), find_measure(word), word.as_str()) {
            (Some(setting), _, _) => setting_holds(&setting),
            (_, Some(measure), _) => tell_without(measure),
            (_, _, "measures") => measures(),
            (_, _, "exits") => exits(),
            _ => {
                eprintln!("mover-model: neither a setting nor a measure: {word}; see --help");
                return ExitCode::from(2);
            }
        };
    }
    println!("\n{}", if good { "All is as it should be." } else { "NOT all is as it should be." });
    ExitCode::from(u8::from(!good))
}

fn help() {
    println!("{HELP}\nSettings:");
    for setting in FULL.iter().chain(&SMALL) {
        println!("  {:<24} {}", setting.name, setting.about);
    }
    println!("\nMeasures:");
    for measure in Without::ALL {
        println!("  {measure:?}");
    }
}

fn find_setting(name: &str) -> Option<Setting> {
    FULL.iter().chain(&SMALL).find(|setting| setting.name == name).copied()
}

fn find_measure(name: &str) -> Option<Without> {
    Without::ALL.into_iter().find(|measure| format!("{measure:?}").eq_ignore_ascii_case(name))
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn numbers(report: &Report) -> String {
    let Report { states, unique, depth, took, .. } = report;
    format!("{states} states, {unique} different, depth {depth}, {:.1} s", took.as_secs_f64())
}

fn setting_holds(setting: &Setting) -> bool {
    println!("\n{}: {}", setting.name, setting.about);
    let report = explore::all(setting, threads());
    println!("  {}", numbers(&report));
    for verdict in &report.verdicts {
        match (&verdict.found, verdict.is_example) {
            (None, false) => println!("  holds    {}", verdict.property),
            (Some(found), true) => println!("  reached  {}, after {} actions", verdict.property, found.actions),
            (None, true) => println!("  MISSED   {}", verdict.property),
            (Some(found), false) => {
                println!("  BROKEN   {}, after {} actions", verdict.property, found.actions);
                found.trace.iter().for_each(|line| println!("{line}"));
            }
        }
    }
    report.is_good()
}

fn measures() -> bool {
    println!("\nWithout one measure:");
    let mut good = true;
    for measure in Without::ALL {
        let (setting, property, report) = explore::without(measure);
        let broken = report.verdicts.iter().filter(|verdict| !verdict.is_example);
        let broken = broken.filter_map(|verdict| verdict.found.as_ref().map(|found| (verdict.property, found.actions)));
        let (main, others): (Vec<_>, Vec<_>) = broken.partition(|(name, _)| *name == property);
        let others: Vec<_> = others.iter().map(|(name, actions)| format!("{name} ({actions})")).collect();
        let others = if others.is_empty() { String::new() } else { format!("; also {}", others.join(", ")) };
        let main = main.first().map(|(_, actions)| *actions);
        good &= main.is_some();
        let actions = main.map_or("NOT BROKEN".to_owned(), |actions| format!("after {actions} actions"));
        println!("  {:<28} {property}, {actions}, in {}{others}", format!("{measure:?}"), setting.name);
    }
    good
}

fn tell_without(measure: Without) -> bool {
    let (setting, property, report) = explore::without(measure);
    println!("\nwithout {measure:?}, in {}: {}", setting.name, numbers(&report));
    let Some(found) = report.verdicts.iter().find(|v| v.property == property).and_then(|v| v.found.as_ref()) else {
        println!("  NOT BROKEN: {property}");
        return false;
    };
    println!("  breaks {property}, after {} actions", found.actions);
    found.trace.iter().for_each(|line| println!("{line}"));
    true
}

fn exits() -> bool {
    println!("\nFrom every state a way to the end:");
    let mut good = true;
    for setting in &SMALL {
        let progress = progress::walk(setting);
        let stuck = if progress.stuck == 0 { "none".to_owned() } else { format!("{} STUCK", progress.stuck) };
        println!("  {:<24} {} states, stuck: {stuck}", setting.name, progress.states);
        if let Some(example) = &progress.example {
            println!("{example}");
        }
        good &= progress.stuck == 0;
    }
    good
}
