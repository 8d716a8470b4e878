//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

use crate::bounds::{DAY, GENERATORS, IN_FLIGHT, REPLICAS, SPEED};
use crate::error::Error;
use crate::journal::Expectations;
use crate::output::{Clean, print, say, visible};
use crate::profile::{Profile, Spacing, Stage};
use crate::schedule::Share;

const EXAMPLES: &str = "\
Examples:
  loadtest rehearse                   rehearse on this machine, no cluster
  loadtest run                        load the cluster's only HPA
  loadtest run --hpa shop/hpa --stage 10rps:3m --stage 0rps:8m --out report
  loadtest run --url http://localhost:9898 --stage 1rps..100rps:1m --p99 50ms
  loadtest predict --stage 10rps:3m   calculate the replicas
  loadtest doctor                     find out why the HPA does not scale

Exit codes: 0 every expectation holds, 1 an expectation does not hold, 2 bad usage, 3 undecided: an expectation could \
not be decided, the doctor found the chain broken, or the cluster does not answer. The doctor has its own exit codes: \
loadtest doctor --help.";

const DOCTOR: &str = "\
Examples:
  loadtest doctor                               check the cluster's only HPA
  loadtest doctor shop/hpa --bundle shop.json   and keep the evidence
  loadtest doctor --from shop.json              the same from that file
  loadtest doctor --explain rule-absent         explain a cause and its fix

It prints one line per link, then the cause, the evidence and the fix. The marks: ✓ ok, ✗ broken, ? no access, \
· not checked (another link decides, or it is too early to tell), - not applicable to this kind of metric.
It changes nothing. It queries Prometheus through a port-forward or the API server's proxy, and names missing rights.

Exit codes: 0 healthy, 1 a link is broken, 2 bad usage, 3 undecided: nothing is known to be broken, but the HPA does not \
report that it reads its metric, or the cluster does not answer.";

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
    /// Find out why an HPA does not scale: the first broken link, the evidence, and a fix; changes nothing
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
    /// port-forward to them
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,

    /// The HPA to watch, or `none`. By default, the only one in the kubeconfig's namespace, or else in the cluster
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
    /// several, of which a later one replaces what an earlier one has
    #[arg(long, value_name = "PATH", default_value = "k8s")]
    pub manifests: Vec<PathBuf>,

    /// Rehearsed seconds per second, from 1 to 60
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
    /// several, of which a later one replaces what an earlier one has
    #[arg(long, value_name = "PATH", default_value = "k8s")]
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
#[command(
    after_help = DOCTOR,
    override_usage = "loadtest doctor [OPTIONS] [NAMESPACE/HPA]\n       loadtest doctor [--json] --from <FILE>\n       \
                      loadtest doctor --explain <CAUSE>"
)]
pub struct Doctor {
    /// The HPA to check. By default, the only one in the kubeconfig's namespace, or else in the cluster
    #[arg(value_name = "NAMESPACE/HPA", value_parser = hpa)]
    pub hpa: Option<String>,

    /// The kubeconfig's context to use
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,

    /// Also query a Prometheus that a `ScaledObject` names in the HPA's own namespace. By default it is not queried,
    /// because any pod in that namespace could answer as Prometheus
    #[arg(long, conflicts_with = "from")]
    pub trust_prometheus: bool,

    /// Print the diagnosis as JSON (loadtest/doctor.schema.json)
    #[arg(long)]
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

/// `loadtest merge`.
#[derive(Args, Debug)]
pub struct Merge {
    /// Journals: `journal.jsonl` of a report's folder, or the output of `--json`
    #[arg(required = true, value_name = "JOURNAL")]
    pub journals: Vec<PathBuf>,

    /// Folder for the report, which must not contain one yet
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// The load.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Load")]
pub struct Load {
    /// A stage, such as 15rps:3m, 0:6m or 2rps..15rps:1m. Can be repeated
    #[arg(long = "stage", value_name = "RATE:DURATION", allow_hyphen_values = true, conflicts_with = "profile")]
    stages: Vec<Stage>,

    /// A profile made from the HPA: idle, just below its target, just above its tolerance, enough for its maximum, then
    /// silence until its minimum. This is the default if an HPA is known
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
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = clap::value_parser!(u64).range(1..))]
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

/// What is expected of the run. Nothing else is judged.
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

    /// At most this many requests may fail or be dropped, including those during scale-in
    #[arg(long, value_name = "COUNT")]
    max_failed: Option<u64>,

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
    /// Folder for report.html, report.json and journal.jsonl
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Print the journal, as JSON lines, instead of a live view
    #[arg(long)]
    pub json: bool,
}

impl Cli {
    /// Reads the command line and variables. Prints help and errors of usage; then the process is to end with the exit
    /// code that this returns.
    pub fn read() -> Result<Self, ExitCode> {
        // An empty variable, as templates leave behind, counts as one that is not set.
        let is_blank = |arg: &Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
        let command = Self::command().mut_subcommands(|command| {
            command.mut_args(|arg| if is_blank(&arg) { arg.env(None::<&str>) } else { arg })
        });
        let read = command.try_get_matches().and_then(|matches| Self::from_arg_matches(&matches));
        read.map_err(explain)
    }
}

/// Prints clap's message, which repeats arguments, and returns the exit code.
fn explain(mut error: clap::Error) -> ExitCode {
    let clean = |text: &String| visible(text).into_owned();
    let styled = |text: &StyledStr| StyledStr::from(visible(&text.to_string()).into_owned());
    let repeated = error.context().filter_map(|(kind, value)| {
        let value = match value {
            ContextValue::String(text) => ContextValue::String(clean(text)),
            ContextValue::Strings(texts) => ContextValue::Strings(texts.iter().map(clean).collect()),
            ContextValue::StyledStrs(texts) => ContextValue::StyledStrs(texts.iter().map(styled).collect()),
            _ => return None,
        };
        Some((kind, value))
    });
    let repeated: Vec<(ContextKind, ContextValue)> = repeated.collect();
    for (kind, value) in repeated {
        error.insert(kind, value);
    }
    let text = Clean::of(&error.render().to_string());
    if error.use_stderr() {
        say(text);
        ExitCode::from(2)
    } else {
        // A reader of the help that went away is no error.
        print(&text).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
    }
}

impl Load {
    /// The given stages; none means the profile that is made from the HPA.
    pub fn stages(&self) -> Option<Profile> {
        (!self.stages.is_empty()).then(|| Profile { stages: self.stages.clone() })
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
        }
    }
}

fn hpa(text: &str) -> Result<String, String> {
    let is_name =
        |name: &str| !name.is_empty() && name.chars().all(|one| one.is_ascii_alphanumeric() || "-.".contains(one));
    let (namespace, name) = text.split_once('/').unwrap_or(("default", text));
    let known = is_name(namespace) && is_name(name);
    known
        .then(|| text.to_owned())
        .ok_or_else(|| "expected NAMESPACE/NAME, or the name alone; kubectl get hpa -A lists all".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if !duration.is_zero() && duration.as_secs_f64() <= DAY => Ok(duration),
        _ => Err("expected a duration longer than 0 and a day at most, such as 50ms, 10s or 2m".to_owned()),
    }
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.trim_end_matches('x').parse::<f64>().ok().filter(|speed| SPEED.contains(speed));
    speed.ok_or_else(|| "expected a factor from 1 to 60".to_owned())
}
