//! The kubectl plugin `kubectl hpa-doctor`: `loadtest doctor` by kubectl's conventions.

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use loadtest::cli::Doctor;
use loadtest::commands;
use loadtest::error::Error;
use loadtest::output::{Clean, say};

const EXAMPLES: &str = "\
Examples:
  kubectl hpa-doctor                        check the only HPA of the namespace, or else of the cluster
  kubectl hpa-doctor -n shop shop           check one HPA
  kubectl hpa-doctor -A                     check every HPA of the cluster, a line each
  kubectl hpa-doctor -A -o json             the same for a program
  kubectl hpa-doctor --explain rule-absent  explain a cause and its fix

Exit codes: 0 healthy, 1 a link is broken, 2 bad usage, 3 undecided. With -A, the exit code is that of the worst HPA.";

/// Find out why an HPA does not scale: the first broken link, the evidence, and a fix; changes nothing
#[derive(Parser)]
#[command(name = "kubectl hpa-doctor", bin_name = "kubectl hpa-doctor", version, after_help = EXAMPLES, max_term_width = 100)]
#[command(override_usage = "kubectl hpa-doctor [OPTIONS] [NAMESPACE/HPA]\n       kubectl hpa-doctor [OPTIONS] -A")]
struct Plugin {
    #[command(flatten)]
    options: Doctor,
}

fn main() -> ExitCode {
    commands::guard_panics("kubectl hpa-doctor");
    // kubectl's word for it, as kubectl_complete-hpa_doctor has it.
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() == Some("__complete") {
        return ended(commands::block_on(commands::complete(Plugin::command(), &words.collect::<Vec<_>>())));
    }
    let options = match loadtest::cli::read::<Plugin>() {
        Ok(plugin) => plugin.options,
        Err(code) => return code,
    };
    ended(commands::block_on(commands::doctor(&options)))
}

fn ended(command: Result<ExitCode, Error>) -> ExitCode {
    command.unwrap_or_else(|error| {
        say(Clean::of(&format!("kubectl hpa-doctor: {error}\n")));
        error.exit_code()
    })
}
