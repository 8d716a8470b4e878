//! The command line.

mod complaint;
mod help;
mod values;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::bounds::{GENERATORS, IN_FLIGHT, REPLICAS};
use crate::error::Error;
use crate::journal::{Expectations, MaxFailed};
use crate::profile::{Profile, Spacing, Stage};
use crate::schedule::Share;
use help::{DOCTOR, EXAMPLES};
use values::{duration, hpa, max_failed, speed};

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
    Run(Run),
    /// Rehearse a run on this machine: real servers, a real scraper, the HPA's algorithm, the manifests' settings
    Rehearse(Rehearse),
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
    /// port-forward to them. With a URL, no HPA is watched unless --hpa or --context is given
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,

    /// The HPA to watch, or `none`. By default, without --url, the only one in the kubeconfig's namespace, or else in the cluster
    #[arg(long, value_name = "NAMESPACE/NAME")]
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

/// The load.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Load")]
pub struct Load {
    /// A stage, such as 15rps:3m, 0:6m or 2rps..15rps:1m. Can be repeated
    #[arg(long = "stage", value_name = "RATE:DURATION", allow_hyphen_values = true, conflicts_with = "profile")]
    stages: Vec<Stage>,

    /// A profile made from the HPA: idle, just below its target, just above its tolerance, enough for its maximum, then a
    /// trickle until its minimum. This is the default if an HPA is known
    #[arg(long, value_name = "NAME", value_parser = ["hpa"])]
    profile: Option<String>,
}

/// How load is sent.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Sending")]
pub struct Sending {
    /// The spacing of requests
    #[arg(long, value_name = "SPACING", value_enum, default_value_t = Spacing::Even)]
    pub spacing: Spacing,

    /// Seed of random spacing
    #[arg(long, value_name = "NUMBER", default_value = "1")]
    pub seed: u64,

    /// Requests on a connection before it is closed. With more than 1, a client stays on one pod
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = values::at_least_one)]
    pub requests_per_connection: u64,

    /// Use HTTP/2 with prior knowledge
    #[arg(long)]
    pub http2: bool,

    /// Maximum number of requests in flight. A request that is due beyond that is dropped, and counted as dropped
    #[arg(long, value_name = "COUNT", default_value = "1000", value_parser = clap::value_parser!(u64).range(1..=IN_FLIGHT))]
    pub max_in_flight: u64,

    /// Time for an answer, after which the request counts as failed
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub timeout: Duration,

    /// Number of generators that share the load. Each sends its own part of the schedule
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=i64::from(GENERATORS)))]
    pub generators: u32,

    /// Which of the generators this is, counted from 0. An Indexed Job sets it
    #[arg(long, value_name = "INDEX", env = "JOB_COMPLETION_INDEX", default_value = "0")]
    pub generator: u32,
}

/// What is expected of the run. By default, at least 99 % of the offered requests are sent, and none fails.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Expectations")]
pub struct Expected {
    /// At least this many replicas must become ready
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(..=i64::from(REPLICAS)))]
    expect_replicas: Option<u32>,

    /// The replicas must return to the HPA's minimum
    #[arg(long)]
    expect_scale_in: bool,

    /// The expected replicas must be ready this soon after the load needs them
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "expect_replicas")]
    scaled_within: Option<Duration>,

    /// At most this many requests may fail, or this share of those sent, such as 0.1%
    #[arg(long, value_name = "COUNT|PERCENT%", value_parser = max_failed, allow_hyphen_values = true)]
    max_failed: Option<MaxFailed>,

    /// Do not expect that at least 99 % of the offered requests are sent, and that none fails
    #[arg(long)]
    no_default_expectations: bool,

    /// Maximum of the median latency
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    p50: Option<Duration>,

    /// Maximum of the 90th percentile of the latency
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    p90: Option<Duration>,

    /// Maximum of the 99th percentile of the latency
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    p99: Option<Duration>,
}

/// What is written where.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Folder for report.html, report.json and journal.jsonl. If it contains a report already, they go to DIR-2
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Print the journal, as JSON lines, instead of a live view
    #[arg(long)]
    pub json: bool,
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

impl Load {
    /// The given stages; none means the profile that is made from the HPA.
    pub fn stages(&self) -> Option<Profile> {
        (!self.stages.is_empty()).then(|| Profile { stages: self.stages.clone() })
    }
}

impl Run {
    /// Whether an HPA is watched: a URL needs none, unless something names it or its cluster.
    pub fn watches(&self) -> bool {
        match self.hpa.as_deref() {
            Some(hpa) => hpa != "none",
            None => self.url.is_none() || self.context.is_some(),
        }
    }
}

impl Sending {
    /// This generator's part of the schedule.
    pub fn share(&self) -> Result<Share, Error> {
        let Self { generator, generators, .. } = self;
        Share::new(*generator, *generators).ok_or_else(|| {
            Error::Usage(format!(
                "--generator is {generator}, and must be less than --generators, which is {generators}"
            ))
        })
    }
}

impl Expected {
    /// Checks that nothing is expected of an HPA, where none is watched.
    pub fn without_hpa(&self) -> Result<(), Error> {
        let flag = match self {
            Self { expect_replicas: Some(_), .. } => "--expect-replicas",
            Self { expect_scale_in: true, .. } => "--expect-scale-in",
            _ => return Ok(()),
        };
        Err(Error::Usage(format!("{flag} needs an HPA to watch: add --hpa NAMESPACE/NAME")))
    }

    /// In the journal's form.
    pub fn expectations(&self) -> Expectations {
        let seconds = |duration: Option<Duration>| duration.map(|duration| duration.as_secs_f64());
        let latency = [(50.0, self.p50), (90.0, self.p90), (99.0, self.p99)];
        Expectations {
            replicas: self.expect_replicas,
            max_failed: self.max_failed,
            latency: latency.into_iter().filter_map(|(percentile, max)| Some((percentile, seconds(max)?))).collect(),
            scaled_within: seconds(self.scaled_within),
            scale_in: self.expect_scale_in,
            defaults: !self.no_default_expectations,
        }
    }
}
