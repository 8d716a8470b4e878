//! The story: the command line, one of its commands, the exit code.

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use loadtest::cli::{Cli, Command};
use loadtest::commands;
use loadtest::rehearse::replica;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Replica { flags } => return replica::main(flags),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "loadtest", &mut std::io::stdout());
            return ExitCode::SUCCESS;
        }
        Command::Run(options) => commands::block_on(commands::run(&options)),
        Command::Rehearse(options) => commands::block_on(commands::rehearse(&options)),
        Command::Predict(options) => commands::predict(&options),
        Command::Merge(options) => commands::merge(&options),
    };
    done.unwrap_or_else(|fault| {
        eprintln!("loadtest: {fault}");
        fault.exit_code()
    })
}
