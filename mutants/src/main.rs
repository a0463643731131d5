//! Takes one safety measure after the other away, in a copy of the working tree, and runs the tests that must notice.
//!
//! `mover-mutants [NAME…]`: those with these names or prefixes; without a name, all that were not tried since the sources
//! last changed. `mover-mutants --list` lists them. The exit code is 1 if one goes unnoticed.

mod copy;
mod orphans;
mod results;
mod trial;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use mover_mutants::{Mutant, faults, list, root};

use copy::Copy;
use results::Results;
use trial::{Outcome, Workshop};

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let ended = match wanted.iter().any(|word| word == "--list") {
        true => tell_all(),
        false => try_all(&wanted),
    };
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("mutants: {error}");
            ExitCode::from(2)
        }
    }
}

fn tell_all() -> io::Result<ExitCode> {
    for mutant in list(&root())? {
        let Mutant { name, without, file, redundant, .. } = &mutant;
        println!("{name}\n    {without}\n    {}", file.display());
        if let Some(why) = redundant {
            println!("    redundant: {why}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn try_all(wanted: &[String]) -> io::Result<ExitCode> {
    let root = root();
    let all = list(&root)?;
    let faults = faults(&root, &all);
    if !faults.is_empty() {
        return Err(io::Error::other(format!("the list is outdated:\n{}", faults.join("\n"))));
    }
    let is_name = |name: &String| all.iter().any(|mutant| mutant.name == *name);
    let is_one =
        |mutant: &Mutant, name: &String| mutant.name == *name || !is_name(name) && mutant.name.starts_with(name);
    let is_meant = |mutant: &&Mutant| wanted.is_empty() || wanted.iter().any(|name| is_one(mutant, name));
    let meant: Vec<&Mutant> = all.iter().filter(is_meant).collect();
    if meant.is_empty() {
        return Err(io::Error::other(format!("no mutant is called {}; --list names them", wanted.join(" or "))));
    }

    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let home = target.join("mutants");
    let copy = Copy::of(&root, &home.join("tree"))?;
    let mut results = Results::of(&home, copy.fingerprint())?;
    let workshop = Workshop::new(&home, copy)?;
    let mut failed = Vec::new();
    for (number, mutant) in meant.iter().enumerate() {
        let place = format!("{:3}/{} {:32}", number + 1, meant.len(), mutant.name);
        if mutant.redundant.is_some() {
            println!("{place} redundant");
            continue;
        }
        let known = results.known(&mutant.name).filter(|_| wanted.is_empty());
        let (outcome, how_long) = match known {
            Some(outcome) => (outcome, "known".to_owned()),
            None => {
                let begun = Instant::now();
                workshop.must_pass_without(mutant, &all, &mut results)?;
                let outcome = workshop.try_one(mutant)?;
                results.add(&mutant.name, &outcome)?;
                (outcome, format!("{} s", begun.elapsed().as_secs()))
            }
        };
        println!("{place} {outcome} ({how_long})");
        if !matches!(outcome, Outcome::Noticed(_)) {
            failed.push(mutant);
        }
    }
    workshop.restore()?;
    println!("{} tried, {} not noticed", meant.len(), failed.len());
    for Mutant { name, without, .. } in &failed {
        println!("{name}: {without}\n    {}", home.join("logs").join(name).display());
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
