//! The story: the command line, one of its commands, the exit code.

use std::process::ExitCode;

use clap::CommandFactory;
use loadtest::cli::{self, Cli, Command};
use loadtest::commands;
use loadtest::output::{Clean, print, say};
use loadtest::rehearse::replica;

fn main() -> ExitCode {
    commands::guard_panics("loadtest");
    let command = match cli::read::<Cli>() {
        Ok(cli) => cli.command,
        Err(code) => return code,
    };
    let done = match command {
        Command::Replica { flags } => return replica::main(flags),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "loadtest", &mut script);
            print(&Clean::of(&String::from_utf8_lossy(&script))).map(|()| ExitCode::SUCCESS)
        }
        Command::Run(options) => commands::block_on(commands::run(&options)),
        Command::Rehearse(options) => commands::block_on(commands::rehearse(&options)),
        Command::Predict(options) => commands::predict(&options),
        Command::Doctor(options) => commands::block_on(commands::doctor(&options)),
        Command::Merge(options) => commands::merge(&options),
        Command::Compare(options) => commands::compare(&options),
    };
    done.unwrap_or_else(|error| {
        say(Clean::of(&format!("loadtest: {error}\n")));
        error.exit_code()
    })
}
