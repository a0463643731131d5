//! `make bench`: the speed of whole campaigns, compared with the most that the same server can do.
//!
//! The measured Mover is the real binary, started as an operator starts it. Each run of it follows a run of the baseline on
//! the same server with the same data, so that disturbances of the machine affect both; read the ratios, not the times.

mod baseline;
mod binary;
mod figures;
mod machine;
mod options;
mod sets;
mod world;

use options::{Options, Set};
use world::World;

/// An error that ends the benchmark.
type Trouble = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Trouble> {
    let options = Options::from_env()?;
    let world = World::start().await?;
    println!("{}", machine::describe(&world).await?);
    println!("{options}");
    let mut tables = Vec::new();
    for set in &options.sets {
        let table = match set {
            Set::Uneven => sets::uneven(&world, &options).await?,
            Set::Small => sets::small(&world, &options).await?,
            Set::Empty => sets::empty(&world, &options).await?,
        };
        println!("\n{table}");
        tables.push(table);
    }
    Ok(())
}

/// Prints the progress.
fn say(what: impl std::fmt::Display) {
    eprintln!("bench: {what}");
}
