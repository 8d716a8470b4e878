//! The four shells, and a world in which kubectl only writes down how it was called.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// One of those that a command may be pasted into.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shell {
    Bash,
    /// With the history expansion of an interactive one.
    BashWithHistory,
    Zsh,
    Dash,
    Fish,
}

impl Shell {
    pub const ALL: [Self; 5] = [Self::Bash, Self::BashWithHistory, Self::Zsh, Self::Dash, Self::Fish];

    fn program(self) -> &'static str {
        match self {
            Self::Bash | Self::BashWithHistory => "bash",
            Self::Zsh => "zsh",
            Self::Dash => "dash",
            Self::Fish => "fish",
        }
    }

    fn command(self, script: &str) -> Command {
        let mut command = Command::new(found(self.program()));
        match self {
            Self::Bash => command.args(["--norc", "-c", script]),
            Self::BashWithHistory => {
                let script = format!("set -o history -o histexpand\n{script}\n");
                return with_input(command, &["--norc"], &script);
            }
            Self::Zsh => command.args(["-f", "-c", script]),
            Self::Dash => command.args(["-c", script]),
            Self::Fish => command.args(["--no-config", "-c", script]),
        };
        command
    }
}

/// History is expanded where lines are read, and not in an argument.
fn with_input(mut command: Command, arguments: &[&str], script: &str) -> Command {
    let mut input = tempfile::tempfile().expect("a file");
    std::io::Write::write_all(&mut input, script.as_bytes()).expect("it can be written");
    std::io::Seek::rewind(&mut input).expect("it can be read");
    command.args(arguments).stdin(input);
    command
}

/// Where a program is, whatever the PATH is for the commands that it runs.
fn found(program: &str) -> PathBuf {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&folders).map(|folder| folder.join(program));
    places.find(|place| place.is_file()).unwrap_or_else(|| {
        panic!(
            "{program} is missing; on Debian: apt-get install bash zsh dash fish; or leave these tests out: \
             tests/run --without-shells"
        )
    })
}

/// How kubectl was called.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Call {
    pub arguments: Vec<String>,
    /// What came from the pipe.
    pub input: String,
}

/// A folder to run commands in, with a PATH of its own.
pub struct World {
    folder: TempDir,
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let programs = folder.path().join("bin");
        std::fs::create_dir(&programs).expect("a folder");
        for program in ["sed", "cat", "touch", "find", "grep", "date"] {
            std::os::unix::fs::symlink(found(program), programs.join(program)).expect("a link");
        }
        let kubectl = programs.join("kubectl");
        // The answer to `get` has to be one that can be edited; a call has a file of its own, as two run at once in a pipe.
        let script = format!(
            "#!{}\ncall=\"$CALLS/$(date +%s%N)-$$\"\nfor argument in \"$@\"; do printf '%s\\0' \"$argument\" >> \"$call\"; done\n\
             case \" $* \" in *' -f - '*) cat > \"$call.input\" ;; *' get '*|*' view-last-applied '*) printf 'kind: X\\n' ;; esac\n",
            found("dash").display()
        );
        std::fs::write(&kubectl, script).expect("it can be written");
        std::fs::set_permissions(&kubectl, std::fs::Permissions::from_mode(0o755)).expect("it can be changed");
        Self { folder }
    }

    /// Runs a script, and returns how kubectl was called; panics where anything else happened.
    pub fn run(&self, shell: Shell, script: &str) -> Vec<Call> {
        let place = tempfile::tempdir_in(self.folder.path()).expect("a folder");
        let (calls, work) = (place.path().join("calls"), place.path().join("work"));
        for folder in [&calls, &work] {
            std::fs::create_dir(folder).expect("a folder");
        }
        let mut command = shell.command(script);
        command.current_dir(&work).env_clear().env("PATH", self.folder.path().join("bin"));
        command
            .env("CALLS", &calls)
            .env("HOME", &work)
            .env("LC_ALL", "C.UTF-8")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let ran = command.output().expect("it runs");
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{shell:?}: {}: {said}\n{script}", ran.status);
        let left: Vec<PathBuf> = files(&work).into_iter().filter(|file| file.ends_with("PWNED")).collect();
        assert!(left.is_empty() && !self.folder.path().join("PWNED").exists(), "{shell:?} ran a payload: {script}");
        // By the time of each, which is its file's name.
        let mut calls: Vec<PathBuf> = files(&calls).into_iter().filter(|file| file.extension().is_none()).collect();
        calls.sort();
        calls
            .iter()
            .map(|file| Call {
                arguments: text(file).split_terminator('\0').map(str::to_owned).collect(),
                input: text(&file.with_extension("input")),
            })
            .collect()
    }

    /// All shells call kubectl alike, and what is printed is no error to any.
    pub fn agrees(&self, command: &str, place: &str) {
        // In a pipe both run at once.
        let sorted = |mut calls: Vec<Call>| {
            calls.sort_by(|one, other| one.arguments.cmp(&other.arguments));
            calls
        };
        let mut calls = Shell::ALL.iter().map(|shell| (shell, sorted(self.run(*shell, command))));
        let (_, expected) = calls.next().expect("there are shells");
        assert!(!expected.is_empty() || command.starts_with("find "), "{place}: kubectl is not called: {command}");
        for (shell, calls) in calls {
            assert_eq!(calls, expected, "{place}: {shell:?} and bash differ: {command}");
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).expect("it can be read").map(|entry| entry.expect("it can be read").path()).collect()
}

fn text(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}
