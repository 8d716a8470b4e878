//! The story: the command line, one of its commands, the exit code.

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use loadtest::cli::{Cli, Command};
use loadtest::commands;
use loadtest::rehearse::replica;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Replica { flags } => return replica::main(flags),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "loadtest", &mut script);
            return if std::io::stdout().write_all(&script).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        Command::Run(options) => commands::block_on(commands::run(&options)),
        Command::Rehearse(options) => commands::block_on(commands::rehearse(&options)),
        Command::Predict(options) => commands::predict(&options),
        Command::Doctor(options) => commands::block_on(commands::doctor(&options)),
        Command::Merge(options) => commands::merge(&options),
    };
    done.unwrap_or_else(|fault| {
        // Where standard error is closed, the exit code tells.
        let _ = writeln!(std::io::stderr(), "loadtest: {fault}");
        fault.exit_code()
    })
}
