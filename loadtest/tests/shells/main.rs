//! A printed command is an administrator's to copy, and its names are a tenant's to choose: every command that the doctor
//! prints is run by bash, zsh, dash and fish, with a kubectl that only writes down its arguments.

#[allow(dead_code, reason = "the judges' own tests use the rest of it")]
#[path = "../support/changed.rs"]
mod altered;
mod chains;
#[path = "../support/healthy/mod.rs"]
mod healthy;
mod shell;

use std::collections::{BTreeMap, BTreeSet};

use loadtest::doctor::diagnose;
use loadtest::doctor::evidence::Evidence;
use loadtest::doctor::fixes::Command;
use loadtest::kube::read::Read;
use serde_json::{Value, json};

use shell::{Shell, World};

/// What a shell might run, each in another way. All of them make the file PWNED, and none is what a name may be.
const PAYLOADS: [&str; 22] = [
    "x\\'; touch PWNED #",
    "x'; touch PWNED; '",
    "x\\\\'; touch PWNED #",
    "x\"; touch PWNED; \"",
    "$(touch PWNED)",
    "`touch PWNED`",
    "(touch PWNED)",
    "x; touch PWNED",
    "x | touch PWNED",
    "x && touch PWNED",
    "x\ntouch PWNED\n",
    "EOF\ntouch PWNED\n",
    "<(touch PWNED)",
    "{touch,PWNED}",
    "!touch PWNED",
    "=touch PWNED",
    "~/x\\'(touch PWNED)\\'",
    "-o=x --kubeconfig=PWNED",
    "*\\",
    "'\"\\'\"\\\\'\"; touch PWNED; '",
    "x/;w PWNED\n",
    "& /\\n1e touch PWNED",
];

/// What is to be changed of the evidence.
pub fn seen<T>(read: &mut Read<T>) -> &mut T {
    if let Read::Seen(seen) = read { seen } else { panic!("it is not there") }
}

/// Each place of a chain, or as many as are asked for: `LOADTEST_SHELLS=all` takes minutes.
fn every() -> bool {
    std::env::var("LOADTEST_SHELLS").is_ok_and(|value| value == "all")
}

#[test]
fn all_shells_read_an_argument_as_it_is() {
    let world = World::new();
    let mut random = fastrand::Rng::with_seed(5);
    let alphabet: Vec<char> = r#"'"\$`!(){}[]<>|&;#~=*?%^@,. ax0-_:/é北"#.chars().collect();
    let random = (0..60).map(|_| (0..random.usize(1..24)).map(|_| alphabet[random.usize(..alphabet.len())]).collect());
    let fixed = PAYLOADS.iter().filter(|text| !text.contains('\n')).map(|text| (*text).to_owned());
    let texts: Vec<String> = fixed.chain(random).chain([String::new()]).collect();
    // One script for all: a text that is not closed would take the rest with it.
    let commands: Vec<String> = texts
        .iter()
        .map(|text| Command::new("kubectl").argument(text).text().expect("nothing of it is hidden").to_owned())
        .collect();
    for shell in Shell::ALL {
        let calls = world.run(shell, &commands.join("\n"));
        let arguments: Vec<&str> = calls.iter().map(|call| call.arguments[0].as_str()).collect();
        assert_eq!(arguments, texts, "{shell:?}");
    }
}

#[test]
fn a_block_of_lines_reaches_kubectl_as_it_is() {
    let world = World::new();
    let text = "kind: X\n  a: 'it\\'s' \"$(touch PWNED)\" \\\\ !x\n(touch PWNED)\nEOF\n`touch PWNED`";
    let command = Command::new(r"printf '%s\n'").block(text).words("| kubectl apply -f -");
    for shell in Shell::ALL {
        let calls = world.run(shell, command.text().expect("it can be said"));
        assert_eq!(calls.len(), 1, "{shell:?}");
        assert_eq!(calls[0].input.trim_end(), text, "{shell:?}");
    }
}

#[test]
fn a_printed_command_runs_in_every_shell_what_it_says_and_nothing_else() {
    let world = World::new();
    let mut causes = BTreeSet::new();
    let mut commands: BTreeMap<String, String> = BTreeMap::new();
    for (name, evidence) in chains::all() {
        if let Some(finding) = diagnose(&evidence).broken {
            causes.insert(finding.cause.number());
            commands.extend(finding.fix.commands.into_iter().map(|command| (command, name.to_owned())));
        }
    }
    assert!(causes.len() >= 12 && commands.len() >= 15, "{} causes, {} commands", causes.len(), commands.len());
    for (command, chain) in &commands {
        world.agrees(command, chain);
    }
}

#[test]
fn no_text_of_a_chain_is_a_command() {
    let world = World::new();
    let mut commands: BTreeMap<String, String> = BTreeMap::new();
    let mut places = 0;
    for (number, (name, evidence)) in chains::all().into_iter().enumerate() {
        let whole = serde_json::to_value(&evidence).expect("evidence is JSON");
        let printed = printed(&evidence);
        // What most chains have in common is looked at in few of them.
        let step = if every() { 1 } else { 20 };
        for pointer in chains::places(&whole).into_iter().skip(number % step).step_by(step) {
            // A word that is good for everything comes wherever any text comes.
            if changed(&whole, &pointer, PROBE).is_none_or(|evidence| self::printed(&evidence) == printed) {
                continue;
            }
            places += 1;
            for payload in
                PAYLOADS.iter().skip(if every() { 0 } else { places % 4 }).step_by(if every() { 1 } else { 4 })
            {
                let text = whole.pointer(&pointer).and_then(Value::as_str).unwrap_or_default();
                for text in [(*payload).to_owned(), format!("{text}{payload}")] {
                    let evidence = changed(&whole, &pointer, &text);
                    let reached = evidence.map(|evidence| self::printed(&evidence)).unwrap_or_default();
                    let reached = reached.into_iter().filter(|command| !printed.contains(command));
                    commands.extend(reached.map(|command| (command, format!("{name} {pointer}"))));
                }
            }
        }
    }
    println!("{places} places, {} commands that a payload changes", commands.len());
    assert!(places >= 5, "{places} places reach a command");
    // As many are run as the time allows.
    let step = if every() { 1 } else { commands.len().div_ceil(40).max(1) };
    for (command, place) in commands.iter().step_by(step) {
        world.agrees(command, place);
    }
}

/// A name, a label, and any other text.
const PROBE: &str = "probe-9x";

/// The chain with another text in a place.
fn changed(whole: &Value, pointer: &str, text: &str) -> Option<Evidence> {
    let mut changed = whole.clone();
    *changed.pointer_mut(pointer).expect("it is there") = json!(text);
    serde_json::from_value(changed).ok()
}

fn printed(evidence: &Evidence) -> Vec<String> {
    diagnose(evidence).broken.map(|finding| finding.fix.commands).unwrap_or_default()
}
