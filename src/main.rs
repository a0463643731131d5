//! The program `mover`.

use std::process::ExitCode;

use mover_actors::failpoint;

fn main() -> ExitCode {
    arm_failpoint();
    let runtime = || {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.enable_all().build().unwrap_or_else(|error| {
            eprintln!("mover: the runtime does not start: {error}");
            std::process::exit(1)
        })
    };
    match actix_rt::System::with_tokio_rt(runtime).block_on(mover::cli::run()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("mover: {error}");
            error.exit_code()
        }
    }
}

/// For crash tests: ends the process at the place that `MOVER_FAILPOINT` names, as a power cut would.
fn arm_failpoint() {
    if std::env::var_os("MOVER_FAILPOINT").is_some() {
        failpoint::arm(|place| {
            if std::env::var("MOVER_FAILPOINT").is_ok_and(|wanted| wanted == place) {
                let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
            }
        });
    }
}
