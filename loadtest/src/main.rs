//! The story: the command line, one of its commands, the exit code.

use std::io::Write;
use std::process::ExitCode;

use clap::CommandFactory;
use loadtest::cli::{Cli, Command};
use loadtest::commands;
use loadtest::printer::say;
use loadtest::rehearse::replica;

fn main() -> ExitCode {
    let done = match Cli::read().command {
        Command::Replica { flags } => return replica::main(flags),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "loadtest", &mut script);
            return if std::io::stdout().write_all(&script).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        Command::Run(options) => commands::block_on(commands::run(&options)),
        Command::Rehearse(options) => commands::block_on(commands::rehearse(&options)),
        Command::Predict(options) => commands::predict(&options),
        Command::Merge(options) => commands::merge(&options),
    };
    done.unwrap_or_else(|fault| {
        say(format!("loadtest: {fault}\n"));
        fault.exit_code()
    })
}
