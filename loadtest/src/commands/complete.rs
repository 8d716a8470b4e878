//! `kubectl hpa-doctor __complete`: what a shell may put after the words of a command line, in the form that kubectl asks
//! the completions of its plugins in (`kubectl_complete-NAME`): a candidate per line with a tab before its description, and
//! at the end a colon and what the shell is to do
//! (<https://pkg.go.dev/github.com/spf13/cobra#ShellCompDirective>).

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, Command, FromArgMatches, ValueHint};
use serde_json::Value;

use super::doctor::connect;
use crate::cli::Doctor;
use crate::doctor::catalogue::CATALOGUE;
use crate::doctor::objects::name;
use crate::error::Error;
use crate::kube::kubeconfig;
use crate::kube::reader::Reader;
use crate::output::{Clean, print, visible};

/// Whoever pressed the key waits no longer than this for the cluster.
const PATIENCE: Duration = Duration::from_secs(2);

/// The candidates are all there are: the shell adds no files.
const NO_FILES: u8 = 4;

/// The shell offers files.
const FILES: u8 = 0;

/// Prints the candidates for the last of a command line's words. A cluster that cannot be asked has none.
pub async fn complete(mut command: Command, words: &[String]) -> Result<ExitCode, Error> {
    command.build();
    let (last, before) = words.split_last().map_or(("", words), |(last, before)| (last.as_str(), before));
    let option =
        |word: &str| command.get_arguments().find(|arg| is_named(arg, word) && arg.get_action().takes_values());
    let (written, arg) = match last.split_once('=') {
        Some((flag, _)) if flag.starts_with("--") => (format!("{flag}="), option(flag)),
        _ => (String::new(), before.last().and_then(|word| option(word))),
    };
    let chosen = options(command.clone(), before);
    let (candidates, then) = match arg {
        Some(arg) if arg.get_value_hint() == ValueHint::AnyPath => (Vec::new(), FILES),
        Some(arg) => (values(arg, chosen).await, NO_FILES),
        None if last.starts_with('-') => (flags(&command), NO_FILES),
        None => (autoscalers(chosen).await, NO_FILES),
    };
    let mut said = String::new();
    for (value, help) in candidates.into_iter().map(|(value, help)| (written.clone() + &visible(&value), help)) {
        if value.starts_with(last) {
            // Writing to a String never fails.
            let _ = writeln!(said, "{value}\t{help}");
        }
    }
    print(&Clean::of(&format!("{said}:{then}\n")))?;
    Ok(ExitCode::SUCCESS)
}

fn is_named(arg: &Arg, word: &str) -> bool {
    let long = word.strip_prefix("--");
    let short = word.strip_prefix('-').and_then(|rest| rest.parse::<char>().ok());
    long.is_some() && arg.get_long() == long || short.is_some() && arg.get_short() == short
}

/// What was chosen so far. A line that is being typed need not be right yet.
fn options(command: Command, words: &[String]) -> Option<Doctor> {
    let matches = command.no_binary_name(true).ignore_errors(true).try_get_matches_from(words).ok()?;
    Doctor::from_arg_matches(&matches).ok()
}

fn flags(command: &Command) -> Vec<(String, String)> {
    let shown = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let named = shown.filter_map(|arg| Some((format!("--{}", arg.get_long()?), arg)));
    named.map(|(flag, arg)| (flag, arg.get_help().map(ToString::to_string).unwrap_or_default())).collect()
}

async fn values(arg: &Arg, options: Option<Doctor>) -> Vec<(String, String)> {
    match arg.get_id().as_str() {
        "explain" => CATALOGUE.iter().map(|entry| (entry.name.to_owned(), entry.title.to_owned())).collect(),
        "context" => without_help(contexts(options)),
        "namespace" => without_help(listed(options, |_| vec!["/api/v1/namespaces".to_owned()]).await),
        _ => without_help(arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect()),
    }
}

fn without_help(names: Vec<String>) -> Vec<(String, String)> {
    names.into_iter().map(|name| (name, String::new())).collect()
}

fn contexts(options: Option<Doctor>) -> Vec<String> {
    let file = options.and_then(|options| options.kubeconfig);
    let config = kubeconfig::read(file.as_deref());
    config.map(|config| config.contexts.into_iter().map(|context| context.name).collect()).unwrap_or_default()
}

/// The HPAs and `ScaledObjects` of the namespace.
async fn autoscalers(options: Option<Doctor>) -> Vec<(String, String)> {
    if options.as_ref().is_some_and(|options| options.hpa.is_some()) {
        return Vec::new();
    }
    let paths = |namespace: &str| {
        vec![
            format!("/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"),
            format!("/apis/keda.sh/v1alpha1/namespaces/{namespace}/scaledobjects"),
        ]
    };
    without_help(listed(options, paths).await)
}

/// The names of the objects at these paths, which are of the namespace that was chosen.
async fn listed(options: Option<Doctor>, paths: impl FnOnce(&str) -> Vec<String>) -> Vec<String> {
    let asked = async {
        let cluster = connect(&options?).await.ok()?;
        let reader = Reader::new(cluster.client.clone());
        let mut names = Vec::new();
        for path in paths(&cluster.namespace) {
            let read = reader.each(&path, "", |object: Value| name(&object).to_owned()).await;
            names.extend(read.items().iter().cloned());
        }
        Some(names)
    };
    tokio::time::timeout(PATIENCE, asked).await.ok().flatten().unwrap_or_default()
}
