//! The page's settings: the load, and the autoscaler.

use maud::{Markup, html};

use crate::autoscaling::Autoscaler;
use crate::autoscaling::hpa::{Rules, Select, Unit};
use crate::autoscaling::predict::Source;
use crate::journal::{Kind, Part, Start, Target, UNLIMITED};
use crate::output::text::{count, date, plural, rate, seconds};
use crate::pace;
use crate::profile::Spacing;
use crate::report::figures::Report;
use crate::report::tables::soft;

/// A setting's name and value.
pub(crate) type Row = (&'static str, String);

/// Both, side by side.
pub(crate) fn render(report: &Report) -> Markup {
    let Some(start) = &report.start else {
        return soft("The journal does not contain them.");
    };
    html! {
        div.pair {
            (table(&load(start)))
            @if let Some(autoscaler) = &start.autoscaler { (table(&of_autoscaler(autoscaler))) }
        }
    }
}

/// All of a load's settings and its autoscaler's.
pub(crate) fn all(start: &Start) -> Vec<Row> {
    let of_autoscaler = start.autoscaler.as_ref().map(of_autoscaler).unwrap_or_default();
    load(start).into_iter().chain(of_autoscaler).collect()
}

fn table(rows: &[Row]) -> Markup {
    html! { table { tbody { @for (name, value) in rows { tr { th scope="row" { (name) } td { (value) } } } } } }
}

fn load(start: &Start) -> Vec<Row> {
    let target = &start.target;
    let spacing = match start.spacing {
        _ if start.clients.is_some() => "each client's next one when its last one has ended",
        Spacing::Even => "evenly spaced",
        Spacing::Poisson => "randomly spaced (Poisson)",
    };
    let stages: Vec<String> = start.profile.iter().map(ToString::to_string).collect();
    let profile = match start.clients {
        None => stages.join(", "),
        Some(clients) => {
            let duration: f64 = start.profile.iter().map(|stage| stage.seconds).sum();
            format!("closed loop: {clients}, for {}", seconds(duration))
        }
    };
    let connection = match target.requests_per_connection {
        1 => "a new one for each request".to_owned(),
        UNLIMITED if start.clients.is_some() => "one a client".to_owned(),
        UNLIMITED => "kept open".to_owned(),
        many => format!("{} requests on each", count(many)),
    };
    let mut rows = vec![
        ("Target", target.url.clone()),
        ("Profile", profile),
        ("Requests", spacing.to_owned()),
        ("Connections", format!("{connection}, HTTP/{}", if target.http2 { "2" } else { "1.1" })),
        ("In flight", format!("at most {}", count(target.max_in_flight))),
        ("Started", date(start.started)),
        ("Version", format!("loadtest {}", start.version)),
    ];
    rows.extend(requests(target));
    if start.kind == Kind::Rehearsal {
        let real = seconds(pace::OWN.as_secs_f64());
        let text =
            format!("{} rehearsed seconds per second; the first {real} of each latency are real", rate(start.speed));
        rows.push(("Speed", text));
    }
    rows
}

/// What was asked for besides a GET of the target, with 2xx as a success.
fn requests(target: &Target) -> impl Iterator<Item = Row> {
    let line = |part: &Part| format!("{} × {} {}", part.weight, part.method, part.url);
    let some = |list: Vec<String>| (!list.is_empty()).then(|| list.join(", "));
    let rows = [
        ("Method", target.method.clone()),
        ("Headers", some(target.headers.clone())),
        ("Body", target.body_bytes.map(|bytes| plural(bytes, "byte"))),
        ("Requests by weight", some(target.mix.iter().map(line).collect())),
        ("Connected to", target.connect_to.clone()),
        ("Certificates", target.insecure.then(|| "not verified".to_owned())),
        ("Success", target.expect_status.as_ref().map(|statuses| format!("status {statuses}"))),
        ("Bodies match", target.expect_body.clone()),
        ("Pod named by", target.pod_header.as_ref().map(|header| format!("the header {header}"))),
    ];
    rows.into_iter().filter_map(|(name, value)| Some((name, value?)))
}

fn of_autoscaler(autoscaler: &Autoscaler) -> Vec<Row> {
    let pipeline = &autoscaler.pipeline;
    let source = match pipeline.source {
        Source::Pods => "custom metrics API",
        Source::External => "external metrics API",
    };
    let relist =
        if pipeline.relist > 0.0 { format!(", relisted every {}", seconds(pipeline.relist)) } else { String::new() };
    vec![
        ("HPA", format!("{} scales {}", autoscaler.name, autoscaler.scaled)),
        ("Metric", format!("{}, {} per pod", autoscaler.metric, rate(autoscaler.target))),
        ("Replicas", format!("{} to {}", autoscaler.min, autoscaler.max)),
        ("Scale up", rules(&autoscaler.behavior.up)),
        ("Scale down", rules(&autoscaler.behavior.down)),
        (
            "Pipeline",
            format!(
                "scraped every {}, {} over {}, {source}{relist}, HPA syncs every {}",
                seconds(pipeline.scrape),
                pipeline.function.name(),
                seconds(pipeline.window),
                seconds(pipeline.sync)
            ),
        ),
    ]
}

fn rules(rules: &Rules) -> String {
    let policies = rules.policies.iter().map(|policy| {
        let what = match policy.unit {
            Unit::Pods => plural(u64::from(policy.value), "pod"),
            Unit::Percent => format!("{} %", policy.value),
        };
        format!("{what} per {} s", policy.period_seconds)
    });
    let policies: Vec<String> = policies.collect();
    let policies = match rules.select {
        Select::Disabled => "never".to_owned(),
        Select::Max => policies.join(" or "),
        Select::Min => format!("the smallest of {}", policies.join(" and ")),
    };
    let stabilized = match rules.stabilization_seconds {
        none if none <= 0.0 => "immediately".to_owned(),
        some => format!("stabilised over {}", seconds(some)),
    };
    format!("{policies}; {stabilized}; tolerance {}\u{a0}%", rate(100.0 * rules.tolerance))
}
