//! What somebody else wrote into a command line, such as a script that takes a name from a cluster.

use super::{HOSTILE, manifests, prints_clean};

#[tokio::test]
async fn a_repeated_argument_has_no_terminal_escapes() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let manifests = manifests().display().to_string();
    let place = folder.path().join(HOSTILE);
    let place = place.to_str().expect("it is text");
    let unknown = format!("--{HOSTILE}");
    let load = ["--stage", "1rps:1s"];
    let commands: [&[&str]; 24] = [
        &[HOSTILE],
        &[&unknown],
        &["run", &unknown],
        &["run", "--url", HOSTILE, "--hpa", "none", load[0], load[1]],
        &["run", "--url", "http://127.0.0.1:1/", "--hpa", "none", "--stage", HOSTILE],
        &["run", "--hpa", HOSTILE, load[0], load[1]],
        &["run", "--context", HOSTILE, load[0], load[1]],
        &["run", "--spacing", HOSTILE],
        &["run", "--seed", HOSTILE],
        &["run", "--profile", HOSTILE],
        &["run", "--p99", HOSTILE],
        &["run", "--url", "http://127.0.0.1:1/", "--hpa", "none", load[0], load[1], "--out", place],
        &["run", "--url", "http://127.0.0.1:1/", "--hpa", "none", load[0], load[1], "--json", HOSTILE],
        &["rehearse", "--manifests", HOSTILE],
        &["rehearse", "--manifests", &manifests, "--speed", HOSTILE],
        &["predict", "--manifests", HOSTILE],
        &["predict", "--manifests", &manifests, "--stage", HOSTILE],
        &["merge", HOSTILE, "--out", HOSTILE],
        &["merge", "--out", HOSTILE],
        &["doctor", HOSTILE],
        &["doctor", "--from", HOSTILE],
        &["doctor", "--context", HOSTILE],
        &["doctor", "--bundle", HOSTILE],
        &["completions", HOSTILE],
    ];
    for arguments in commands {
        let ran = prints_clean(arguments, None).await;
        assert!(!(ran.stdout.is_empty() && ran.stderr.is_empty()), "{arguments:?} says nothing");
    }
}

#[tokio::test]
async fn completions_and_help_are_unchanged() {
    use clap::CommandFactory;
    for (name, shell) in [
        ("bash", clap_complete::Shell::Bash),
        ("zsh", clap_complete::Shell::Zsh),
        ("fish", clap_complete::Shell::Fish),
        ("elvish", clap_complete::Shell::Elvish),
        ("powershell", clap_complete::Shell::PowerShell),
    ] {
        let mut expected = Vec::new();
        clap_complete::generate(shell, &mut loadtest::cli::Cli::command(), "loadtest", &mut expected);
        let ran = super::run(&["completions", name], None).await;
        assert_eq!(String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&expected), "{name}");
    }
    for (arguments, code, part) in [
        (vec!["--help"], 0, "Examples:"),
        (vec!["--version"], 0, "loadtest "),
        (vec!["run", "--seed", "x"], 2, "invalid value 'x' for '--seed <NUMBER>'"),
        (vec!["rum"], 2, "a similar subcommand exists: 'run'"),
    ] {
        let ran = super::run(&arguments, None).await;
        let text = String::from_utf8([ran.stdout, ran.stderr].concat()).expect("it is text");
        assert_eq!(ran.status.code(), Some(code), "{arguments:?}");
        assert!(text.contains(part), "{arguments:?}: {text}");
    }
}
