//! The command line.

mod closed;
mod complaint;
mod expected;
mod help;
mod requests;
mod sending;
mod values;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use closed::Closed;
pub use expected::{Expected, Output};
use help::{DOCTOR, EXAMPLES};
pub use requests::Requests;
pub use sending::{Load, Sending};
use values::{hpa, speed};

/// Send load to an autoscaled service, watch the autoscaler, and judge both
#[derive(Debug, Parser)]
#[command(name = "loadtest", version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Send load to a cluster, watch the HPA, and write a report
    Run(Box<Run>),
    /// Rehearse a run on this machine: real servers, a real scraper, the HPA's algorithm, the manifests' settings
    Rehearse(Box<Rehearse>),
    /// Calculate the replicas a load profile would lead to (no cluster, no traffic)
    Predict(Predict),
    /// Make one report from the journals of several generators, or from one that was cut short
    Merge(Merge),
    /// Show two reports side by side
    Compare(Compare),
    /// Find out why an HPA does not scale: the first broken link, the evidence, and a fix; changes nothing
    #[command(
        after_help = DOCTOR,
        override_usage = "loadtest doctor [OPTIONS] [NAMESPACE/HPA]\n       loadtest doctor [OPTIONS] -A\n       \
                          loadtest doctor [--json] --from <FILE>\n       loadtest doctor --explain <CAUSE>"
    )]
    Doctor(Doctor),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// A server of a rehearsal; takes shopfront's own flags
    #[command(hide = true, disable_help_flag = true)]
    Replica {
        /// shopfront's flags
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        flags: Vec<std::ffi::OsString>,
    },
}

/// `loadtest run`.
#[derive(Args, Debug)]
pub struct Run {
    /// The target of the load. By default, the load balancer of the Service in front of the HPA's pods, or else a
    /// port-forward to them. With a URL, no HPA is watched unless --hpa or --context is given. A user and a password in it
    /// become a header
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,

    /// The HPA to watch, or `none`. By default, without --url, the only one in the kubeconfig's namespace, or else in the cluster
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = hpa)]
    pub hpa: Option<String>,

    /// The kubeconfig's context to use
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,

    /// Send the load without the doctor's check, which takes some seconds and refuses a load that cannot scale anything
    /// (exit code 3)
    #[arg(long)]
    pub skip_doctor: bool,

    /// Also query a Prometheus that a `ScaledObject` names in the HPA's own namespace. By default it is not queried,
    /// because any pod in that namespace could answer as Prometheus
    #[arg(long)]
    pub trust_prometheus: bool,

    /// What is sent, and which answers are a success
    #[command(flatten)]
    pub requests: Requests,

    /// A closed loop
    #[command(flatten)]
    pub closed: Closed,

    /// What a run and a rehearsal have in common
    #[command(flatten)]
    pub common: Common,
}

/// `loadtest rehearse`.
#[derive(Args, Debug)]
pub struct Rehearse {
    /// File or folder of manifests with an HPA, a monitor and the adapter's rule, or with a `ScaledObject`; several times for
    /// several, of which a later one replaces what an earlier one has. By default, shopfront's own: the folder k8s of a clone,
    /// or else those that this program contains
    #[arg(long, value_name = "PATH")]
    pub manifests: Vec<PathBuf>,

    /// Rehearsed seconds per second, from 1 to 60. Waits, timeouts and probes are rehearsed at every speed; the replicas' own
    /// work, the first 20 ms of a latency, is not
    #[arg(long, value_name = "FACTOR", default_value = "20", value_parser = speed)]
    pub speed: f64,

    /// What a run and a rehearsal have in common
    #[command(flatten)]
    pub common: Common,
}

/// What a run and a rehearsal have in common.
#[derive(Args, Debug)]
pub struct Common {
    /// The load
    #[command(flatten)]
    pub load: Load,

    /// How it is sent
    #[command(flatten)]
    pub sending: Sending,

    /// What is expected
    #[command(flatten)]
    pub expected: Expected,

    /// What is written where
    #[command(flatten)]
    pub output: Output,
}

/// `loadtest predict`.
#[derive(Args, Debug)]
pub struct Predict {
    /// File or folder of manifests with an HPA, a monitor and the adapter's rule, or with a `ScaledObject`; several times for
    /// several, of which a later one replaces what an earlier one has. By default, shopfront's own: the folder k8s of a clone,
    /// or else those that this program contains
    #[arg(long, value_name = "PATH")]
    pub manifests: Vec<PathBuf>,

    /// Print one JSON line per HPA sync
    #[arg(long)]
    pub json: bool,

    /// The load
    #[command(flatten)]
    pub load: Load,
}

/// `loadtest doctor`.
#[derive(Args, Debug)]
pub struct Doctor {
    /// The HPA to check. By default, the only one in the kubeconfig's namespace, or else in the cluster
    #[arg(value_name = "NAMESPACE/HPA", value_parser = hpa)]
    pub hpa: Option<String>,

    /// Check every HPA of the cluster, a line each, the worst first
    #[arg(short = 'A', long, conflicts_with_all = ["hpa", "namespace", "bundle", "from"])]
    pub all_namespaces: bool,

    /// The HPA's namespace. By default, the kubeconfig's
    #[arg(short, long, value_name = "NAMESPACE", conflicts_with = "from")]
    pub namespace: Option<String>,

    /// The kubeconfig's context to use
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,

    /// The kubeconfig to use. By default, KUBECONFIG, or else ~/.kube/config
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    pub kubeconfig: Option<PathBuf>,

    /// Also query a Prometheus that a `ScaledObject` names in the HPA's own namespace. By default it is not queried,
    /// because any pod in that namespace could answer as Prometheus
    #[arg(long, conflicts_with = "from")]
    pub trust_prometheus: bool,

    /// Print the diagnosis for a program (docs/DOCTOR.md)
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Structured>,

    /// The same as --output json
    #[arg(long, conflicts_with = "output")]
    pub json: bool,

    /// Write the evidence to a new file, without secrets that can be recognised, and list its contents
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,

    /// Diagnose from such a file instead of a cluster
    #[arg(long, value_name = "FILE", conflicts_with_all = ["hpa", "context", "bundle"])]
    pub from: Option<PathBuf>,

    /// Explain a cause, given by number or name, and exit
    #[arg(long, value_name = "CAUSE", exclusive = true)]
    pub explain: Option<String>,
}

impl Doctor {
    /// The format for programs, if one is asked for.
    pub fn structured(&self) -> Option<Structured> {
        self.output.or(self.json.then_some(Structured::Json))
    }
}

/// A format for programs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Structured {
    /// JSON
    Json,
    /// YAML
    Yaml,
}

/// `loadtest merge`.
#[derive(Args, Debug)]
pub struct Merge {
    /// Journals: a report's folder, its `journal.jsonl`, or the output of `--json`
    #[arg(required = true, value_name = "JOURNAL")]
    pub journals: Vec<PathBuf>,

    /// Folder for the report. If it contains one already, the report goes to DIR-2
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// `loadtest compare`.
#[derive(Args, Debug)]
pub struct Compare {
    /// A report: its folder, or its report.json
    #[arg(value_name = "REPORT")]
    pub one: PathBuf,

    /// Another report
    #[arg(value_name = "REPORT")]
    pub other: PathBuf,
}

/// Reads the command line and variables. Prints help and errors of usage; then the process is to end with the exit code that
/// this returns.
pub fn read<C: Parser>() -> Result<C, ExitCode> {
    // An empty variable, as templates leave behind, counts as one that is not set.
    let is_blank = |arg: &Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    let command = C::command()
        .mut_subcommands(|command| command.mut_args(|arg| if is_blank(&arg) { arg.env(None::<&str>) } else { arg }));
    let read = command.try_get_matches().and_then(|matches| C::from_arg_matches(&matches));
    read.map_err(complaint::explain)
}

impl Run {
    /// Whether an HPA is watched: with a target of its own, a load needs none, unless something names it or its cluster.
    pub fn watches(&self, has_target: bool) -> bool {
        match self.hpa.as_deref() {
            Some(hpa) => hpa != "none",
            None => !has_target || self.context.is_some(),
        }
    }
}
