//! The page's tables.

use std::fmt::Write;

use crate::autoscaling::Autoscaler;
use crate::autoscaling::hpa::{Rules, Select, Unit};
use crate::autoscaling::predict::Source;
use crate::journal::{Kind, Start};
use crate::output::text::{clock, count, date, escape, fit, plural, rate, seconds};
use crate::profile::Spacing;
use crate::report::figures::{LinkName, Report};
use crate::report::lanes::TOLD;
use crate::report::panels::{COLOURS, short};

/// The most rows of a table whose length is not the tool's to tell; report.json has all.
pub(crate) const ROWS: usize = 500;

/// What is said below a table that has not all of so many.
fn more(all: usize) -> String {
    match all.saturating_sub(ROWS) {
        0 => String::new(),
        more => format!("<p class=\"soft\">And {} more, in report.json.</p>", count(more as u64)),
    }
}

/// The verdict's checks.
pub(crate) fn checks(report: &Report) -> String {
    let rows: String = report
        .verdict
        .checks
        .iter()
        .map(|check| {
            let (class, mark) = match (&check.expected, check.held) {
                (None, _) => ("seen", "·"),
                (_, Some(true)) => ("good", "✓"),
                (_, Some(false)) => ("bad", "✗"),
                (_, None) => ("open", "?"),
            };
            format!(
                "<tr class=\"{class}\"><th scope=\"row\">{}</th><td>{}</td><td>{}</td>\
                 <td class=\"held\"><span aria-hidden=\"true\">{mark}</span> {}</td></tr>\n",
                escape(&check.name),
                check.expected.as_deref().map_or("–".to_owned(), escape),
                escape(&check.observed),
                check.label()
            )
        })
        .collect();
    format!(
        "<table><thead><tr><th scope=\"col\">Looked at</th><th scope=\"col\">Expected</th><th scope=\"col\">Observed\
         </th><th scope=\"col\"></th></tr></thead><tbody>{rows}</tbody></table>"
    )
}

/// The lag budget, as a waterfall.
pub(crate) fn lag(report: &Report) -> String {
    let Some(lag) = &report.lag else {
        let why = if report.replicas.is_some() {
            "the load asked for no more replicas than there were"
        } else {
            "no autoscaler was watched"
        };
        return format!("<p class=\"soft\">None: {why}.</p>");
    };
    let all = lag.links.iter().filter_map(|link| link.after).fold(0.1, f64::max);
    let longest = lag.links.iter().filter_map(|link| link.took).fold(0.0, f64::max);
    let mut rows = String::new();
    for link in &lag.links {
        let (bar, took, after) = match (link.took, link.after) {
            (Some(took), Some(after)) => {
                let class = if took >= longest { "bar longest" } else { "bar" };
                let bar = format!(
                    "<rect class=\"rail\" x=\"0\" width=\"100%\" y=\"9\" height=\"2\"/>\
                     <rect class=\"{class}\" x=\"{:.2}%\" width=\"{:.2}%\" y=\"3\" height=\"14\" rx=\"2\"/>",
                    100.0 * (after - took).max(0.0) / all,
                    (100.0 * took / all).max(0.6)
                );
                (bar, format!("+{}", seconds(took)), seconds(after))
            }
            _ => (String::new(), "not seen".to_owned(), "–".to_owned()),
        };
        let _ = writeln!(
            rows,
            "<tr><th scope=\"row\">{}</th><td class=\"fall\"><svg height=\"20\" aria-hidden=\"true\">{bar}</svg></td>\
             <td class=\"figure\">{took}</td><td class=\"figure\">{after}</td></tr>",
            link.name.label()
        );
    }
    format!(
        "<p class=\"soft\">At {} the load went beyond {}/s, which is all that {} may take.{}</p><table class=\"waterfall\">\
         <thead><tr><th scope=\"col\">Link</th><td></td><th scope=\"col\" class=\"figure\">took</th><th scope=\"col\" \
         class=\"figure\">since the step</th></tr></thead><tbody>{rows}</tbody></table>",
        clock(lag.step),
        rate(lag.threshold),
        plural(u64::from(lag.replicas), "replica"),
        slowest(report)
    )
}

/// Where most of the time went.
fn slowest(report: &Report) -> String {
    let links = report.lag.iter().flat_map(|lag| &lag.links);
    let slowest = links.filter_map(|link| Some((link.took?, link.name))).max_by(|a, b| a.0.total_cmp(&b.0));
    let Some((took, name)) = slowest.filter(|(took, _)| *took > 0.0) else {
        return String::new();
    };
    let until = match name {
        LinkName::Counter => "the pods had counted it",
        LinkName::Prometheus => "Prometheus saw enough of it",
        LinkName::Api => "the metrics API showed it",
        LinkName::Value => "the HPA read it",
        LinkName::Decision => "the HPA decided",
        LinkName::Ready => "a new pod was ready",
        LinkName::Answer => "the new pod answered",
    };
    format!(" The longest wait was {}, until {until}.", seconds(took))
}

/// The pods that answered.
pub(crate) fn pods(report: &Report) -> String {
    if report.pods.is_empty() {
        return "<p class=\"soft\">No answer named its pod.</p>".to_owned();
    }
    let rows: String = report
        .pods
        .iter()
        .take(ROWS)
        .enumerate()
        .map(|(index, pod)| {
            let last = short(&pod.name);
            let first = pod.name.strip_suffix(last).unwrap_or_default();
            format!(
                "<tr><th scope=\"row\"><i class=\"key pod{}\"></i>{}<b>{}</b></th><td class=\"figure\">{}</td>\
                 <td class=\"figure\">{:.1} %</td><td class=\"figure\">{}–{}</td></tr>\n",
                index.min(COLOURS),
                escape(first),
                escape(last),
                count(pod.answers),
                100.0 * pod.share,
                clock(pod.first),
                clock(pod.last + 1.0)
            )
        })
        .collect();
    format!(
        "<table><thead><tr><th scope=\"col\">Pod</th><th scope=\"col\" class=\"figure\">answers</th><th scope=\"col\" \
         class=\"figure\">share</th><th scope=\"col\" class=\"figure\">answered</th></tr></thead><tbody>{rows}</tbody></table>{}",
        more(report.pods.len())
    )
}

/// Failed and dropped requests by cause.
pub(crate) fn failures(report: &Report) -> String {
    let totals = &report.totals;
    let dropped = ("dropped: too many in flight".to_owned(), totals.dropped);
    let mut causes: Vec<(String, u64)> = totals.failures.clone().into_iter().chain([dropped]).collect();
    causes.retain(|(_, count)| *count > 0);
    causes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    if causes.is_empty() {
        return "<p class=\"soft\">None.</p>".to_owned();
    }
    let (due, all) = (totals.due.max(1) as f64, causes.len());
    let rows: String = causes
        .into_iter()
        .take(ROWS)
        .map(|(cause, number)| {
            let share = 100.0 * number as f64 / due;
            row(&escape(&cause), &format!("{} <small>({share:.2} %)</small>", count(number)), "figure")
        })
        .collect();
    format!("<table><tbody>{rows}</tbody></table>{}", more(all))
}

/// What happened.
pub(crate) fn events(report: &Report) -> String {
    if report.events.is_empty() {
        return "<p class=\"soft\">None were seen.</p>".to_owned();
    }
    let rows: String = report
        .events
        .iter()
        .take(ROWS)
        .map(|event| {
            format!(
                "<tr class=\"{}\"><td class=\"figure\">{}</td><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>\n",
                if event.warning { "bad" } else { "" },
                clock(event.at),
                escape(&event.object),
                escape(&event.reason),
                escape(&fit(&event.message, TOLD))
            )
        })
        .collect();
    format!(
        "<table><thead><tr><th scope=\"col\" class=\"figure\">at</th><th scope=\"col\">Object</th><th scope=\"col\">\
         Reason</th><th scope=\"col\">Message</th></tr></thead><tbody>{rows}</tbody></table>{}",
        more(report.events.len())
    )
}

fn row(name: &str, value: &str, class: &str) -> String {
    format!("<tr><th scope=\"row\">{name}</th><td class=\"{class}\">{value}</td></tr>\n")
}

/// What was asked for, and how the autoscaler is set.
pub(crate) fn settings(report: &Report) -> String {
    let Some(start) = &report.start else {
        return "<p class=\"soft\">The journal does not tell.</p>".to_owned();
    };
    let table = |rows: Vec<(&str, String)>| {
        let rows: String = rows.iter().map(|(name, value)| row(name, &escape(value), "")).collect();
        format!("<table><tbody>{rows}</tbody></table>")
    };
    let autoscaler = start.autoscaler.as_ref().map(|autoscaler| table(autoscaler_settings(autoscaler)));
    format!("<div class=\"pair\">{}{}</div>", table(load_settings(start)), autoscaler.unwrap_or_default())
}

fn load_settings(start: &Start) -> Vec<(&'static str, String)> {
    let target = &start.target;
    let spacing = match start.spacing {
        Spacing::Even => "at even distances",
        Spacing::Poisson => "at random distances (Poisson)",
    };
    let stages: Vec<String> = start.profile.iter().map(ToString::to_string).collect();
    let connection = match target.requests_per_connection {
        1 => "a new one for each request".to_owned(),
        many => format!("{} requests on each", count(many)),
    };
    let mut rows = vec![
        ("Target", target.url.clone()),
        ("Profile", stages.join(", ")),
        ("Requests", spacing.to_owned()),
        ("Connections", format!("{connection}, HTTP/{}", if target.http2 { "2" } else { "1.1" })),
        ("In flight", format!("at most {}", count(target.max_in_flight))),
        ("Started", date(start.started)),
        ("Version", format!("loadtest {}", start.version)),
    ];
    if start.kind == Kind::Rehearsal {
        rows.push(("Rehearsed", format!("{} seconds a second", rate(start.speed))));
    }
    rows
}

fn autoscaler_settings(autoscaler: &Autoscaler) -> Vec<(&'static str, String)> {
    let pipeline = &autoscaler.pipeline;
    let source = match pipeline.source {
        Source::Pods => "custom metrics API",
        Source::External => "external metrics API",
    };
    let relist =
        if pipeline.relist > 0.0 { format!(", listed every {}", seconds(pipeline.relist)) } else { String::new() };
    vec![
        ("HPA", format!("{} scales {}", autoscaler.name, autoscaler.scaled)),
        ("Metric", format!("{}, {} a pod", autoscaler.metric, rate(autoscaler.target))),
        ("Replicas", format!("{} to {}", autoscaler.min, autoscaler.max)),
        ("Scale up", rules(&autoscaler.behavior.up)),
        ("Scale down", rules(&autoscaler.behavior.down)),
        (
            "Chain",
            format!(
                "scraped every {}, {} over {}, {source}{relist}, HPA looks every {}",
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
        format!("{what} each {} s", policy.period_seconds)
    });
    let policies: Vec<String> = policies.collect();
    let policies = match rules.select {
        Select::Disabled => "never".to_owned(),
        Select::Max => policies.join(" or "),
        Select::Min => format!("the least of {}", policies.join(" and ")),
    };
    let stabilized = match rules.stabilization_seconds {
        none if none <= 0.0 => "at once".to_owned(),
        some => format!("stabilised over {}", seconds(some)),
    };
    format!("{policies}; {stabilized}; tolerance {}\u{a0}%", rate(100.0 * rules.tolerance))
}
