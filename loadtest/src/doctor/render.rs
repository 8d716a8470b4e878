//! The diagnosis as people read it, and as programs do.

use schemars::generate::SchemaSettings;

use crate::doctor::catalogue::{Cause, address};
use crate::doctor::diagnosis::{Diagnosis, Figures, LinkResult, Outcome, State};
use crate::doctor::link::Link;
use crate::doctor::status::{Finding, Input};
use crate::output::text::{date, fit, rounded, seconds, wrap};
use crate::output::{Clean, json_pretty};

/// The column where a text begins, beside its heading.
const INDENT: usize = 10;

/// The diagnosis as JSON.
pub fn json(diagnosis: &Diagnosis) -> String {
    json_pretty(diagnosis)
}

/// The schema of `loadtest doctor --json`, as the types have it.
pub fn schema() -> String {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    json_pretty(&generator.into_root_schema_for::<Diagnosis>())
}

/// The diagnosis as text, in lines of at most this width. Commands and addresses are never cut.
pub fn render(diagnosis: &Diagnosis, width: usize, colour: bool) -> Clean {
    let version =
        diagnosis.kubernetes.as_ref().map(|version| format!(", Kubernetes {}", version.trim_start_matches('v')));
    let head = format!("{}, {}{}", diagnosis.hpa, date(diagnosis.taken), version.unwrap_or_default());
    let mut text = Clean::of(&(fit(&head, width) + "\n\n"));
    diagnosis.links.iter().for_each(|result| line(&mut text, result, width, colour));
    metrics(&mut text, diagnosis, width, colour);
    text.push("\n");
    text.push(&match diagnosis.outcome {
        Outcome::Broken => fault(diagnosis, width),
        Outcome::Healthy => health(diagnosis, width),
        Outcome::CouldNotLook => undecided(diagnosis, width),
    });
    text.push(&rights(diagnosis, width));
    text
}

/// The links up to the first broken one, and its finding.
pub fn broken(diagnosis: &Diagnosis, width: usize, colour: bool) -> Clean {
    let upto = diagnosis.links.iter().position(|result| result.state == State::Broken).map_or(0, |index| index + 1);
    let mut text = Clean::default();
    diagnosis.links[..upto].iter().for_each(|result| line(&mut text, result, width, colour));
    text.push("\n");
    text.push(&fault(diagnosis, width));
    text.push("\n");
    text
}

/// Each metric's value, target and replicas; of those that have links of their own, these too.
fn metrics(text: &mut Clean, diagnosis: &Diagnosis, width: usize, colour: bool) {
    if diagnosis.metrics.is_empty() {
        return;
    }
    text.push("\n");
    for metric in &diagnosis.metrics {
        let of = metric.container.as_ref().map(|container| format!(" of {container}")).unwrap_or_default();
        let decides =
            if metric.decides && diagnosis.metrics.len() > 1 { "; it decides: it asks for the most" } else { "" };
        let head = format!("{} {}{of}: {}{decides}", metric.kind, metric.name, metric.evidence);
        text.push(&indented(&head, width));
        if let Some(changes) = &metric.changes {
            text.push(&indented(changes, width));
        }
        let own = metric.links.iter().filter(|result| result.state != State::NotApplicable);
        own.for_each(|result| line(text, result, width, colour));
    }
}

fn line(text: &mut Clean, result: &LinkResult, width: usize, colour: bool) {
    let (mark, paint) = match result.state {
        State::Ok => ('✓', 32),
        State::Broken => ('✗', 31),
        State::Unread => ('?', 33),
        State::Pending | State::MissingInput | State::Blocked => ('·', 2),
        State::NotApplicable => ('-', 2),
    };
    let line = fit(&format!("{mark} {:<11} {}", result.link.label(), result.evidence), width);
    match line.strip_prefix(mark).filter(|_| colour) {
        Some(rest) => {
            text.push_painted(mark, paint);
            text.push(rest);
        }
        None => text.push(&line),
    }
    text.push("\n");
}

/// The first link that keeps the chain undecided, why, and what to do about it. If the series or the answer is there, the
/// links before it do not matter.
fn undecided(diagnosis: &Diagnosis, width: usize) -> String {
    let proof = |result: &LinkResult| matches!(result.link, Link::Series | Link::Answer) && result.state == State::Ok;
    let proven = diagnosis.links.iter().rposition(proof).map_or(0, |index| index + 1);
    let open = || diagnosis.links[proven..].iter().filter(|result| !result.state.is_settled());
    // A link that decides comes before the links that it blocks.
    let decides = |result: &&LinkResult| result.state != State::Blocked;
    let Some(result) = open().find(decides).or_else(|| open().next()) else { return String::new() };
    let (word, next) = next(result, !diagnosis.missing_rights.is_empty());
    let at = place(result.link);
    let head =
        format!("{word} at {at}: nothing is known to be broken, but the HPA does not report that it reads its metric");
    paragraph(&head, width, 0) + &headed(&[("Evidence", &result.evidence), ("Next", &next)], width)
}

/// Why a link is open, in a word or two, and what to do about it.
fn next(result: &LinkResult, rights: bool) -> (&'static str, String) {
    let with_rights = if rights { " If nothing changes, grant the rights below." } else { "" };
    match result.state {
        State::Unread if result.right.is_some() => ("NO ACCESS", "Grant the rights below, and ask again.".to_owned()),
        State::Unread => ("NO ANSWER", format!("Find out why there is no answer, and ask again.{with_rights}")),
        State::Pending => {
            let wait = seconds(result.wait.unwrap_or_default());
            ("NOT YET", format!("Ask again in {wait}.{with_rights}"))
        }
        State::MissingInput => {
            let advice = result.missing.map(Input::advice).unwrap_or_default();
            ("MISSING INPUT", format!("{advice}{with_rights}"))
        }
        _ => {
            let by = result.blocked_by.map(place).unwrap_or_default();
            ("BLOCKED", format!("Check {by} first: it decides.{with_rights}"))
        }
    }
}

fn fault(diagnosis: &Diagnosis, width: usize) -> String {
    let Some(finding) = &diagnosis.broken else { return String::new() };
    let link = diagnosis.links.iter().find(|result| result.state == State::Broken).map(|result| result.link);
    let at = link.map(|link| format!("BROKEN at {}: ", place(link))).unwrap_or_default();
    found(&at, finding, width)
}

/// A link's name, with its number among all links.
fn place(link: Link) -> String {
    format!("{} (link {} of {})", link.label(), link.number(), Link::ALL.len())
}

/// The cause, its evidence and its fix. Commands are not wrapped or indented.
fn found(at: &str, finding: &Finding, width: usize) -> String {
    let entry = finding.cause.entry();
    let head = format!("{at}{} (cause {}, {})", entry.title, finding.cause.number(), entry.name);
    let mut text = paragraph(&head, width, 0);
    text.push_str(&headed(&[("Evidence", &finding.evidence), ("Fix", &finding.fix.advice)], width));
    text.push_str(&page(finding.cause));
    if !finding.fix.commands.is_empty() {
        text.push('\n');
    }
    for command in &finding.fix.commands {
        text.push_str(command.trim_end());
        text.push('\n');
    }
    text
}

/// The line with the address of a cause's page.
fn page(cause: Cause) -> String {
    format!("{:<INDENT$}{}\n", "Page", address(cause))
}

/// Texts, each beside its heading.
fn headed(all: &[(&str, &str)], width: usize) -> String {
    let all = all.iter().filter(|(_, text)| !text.is_empty());
    let heading = INDENT - 1;
    all.map(|(word, text)| paragraph(&format!("{word:<heading$} {text}"), width, INDENT)).collect()
}

/// The catalogue's entry of a cause.
pub fn explanation(cause: Cause, width: usize) -> Clean {
    let entry = cause.entry();
    let mut text = paragraph(&entry.heading(), width, 0);
    text.push_str(&paragraph(&format!("{}, {}", entry.name, entry.raised_by("")), width, 0));
    text.push('\n');
    text.push_str(&headed(&[("Symptom", entry.symptom), ("Check", entry.check)], width));
    // A command is not wrapped: it is copied.
    text.extend([format!("{:<INDENT$}{}\n", "Command", entry.command)]);
    text.push_str(&headed(&[("Fix", entry.fix)], width));
    text.extend(entry.references().map(|(_, address)| format!("{:<INDENT$}{address}\n", "Reference")));
    text.push_str(&page(cause));
    Clean::of(&text)
}

fn health(diagnosis: &Diagnosis, width: usize) -> String {
    let mut text = "HEALTHY\n".to_owned();
    if let Some(figures) = &diagnosis.figures {
        text.push_str(&lines(&self::figures(figures), width));
    }
    if let Some(why) = &diagnosis.why {
        text.push_str(&indented(&format!("why    {why}"), width));
    }
    if let Some(finding) = &diagnosis.explains {
        text.push('\n');
        text.push_str(&found("The replicas do not change at the moment: ", finding, width));
    }
    text
}

fn figures(figures: &Figures) -> Vec<String> {
    let number = |number: f64| rounded(number, 3);
    let perhaps = |value: Option<f64>| value.map_or("not known".to_owned(), number);
    let relist = if figures.relist > 0.0 { format!("every {}", seconds(figures.relist)) } else { "none".to_owned() };
    let (earliest, latest) = figures.delay;
    [
        ("value", format!("{} per pod, with a target of {}", perhaps(figures.value), number(figures.target))),
        ("idle", format!("{} per pod without clients", perhaps(figures.idle))),
        ("scrape", format!("every {}", seconds(figures.scrape))),
        ("window", format!("{} for the rate", seconds(figures.window))),
        ("relist", relist),
        ("sync", format!("every {}", seconds(figures.sync))),
        (
            "delay",
            format!(
                "{} to {} from a load step to twice the target until the HPA desires more pods",
                seconds(earliest),
                seconds(latest)
            ),
        ),
    ]
    .into_iter()
    .map(|(name, text)| format!("  {name:<6} {text}"))
    .collect()
}

fn rights(diagnosis: &Diagnosis, width: usize) -> String {
    if diagnosis.missing_rights.is_empty() {
        return String::new();
    }
    let rights = diagnosis.missing_rights.iter().map(|right| format!("  {right}"));
    let all: Vec<String> = std::iter::once("Missing rights:".to_owned()).chain(rights).collect();
    "\n".to_owned() + &lines(&all, width)
}

/// A paragraph beside the figures, two columns in.
fn indented(text: &str, width: usize) -> String {
    let lines = wrap(text, width.saturating_sub(2), 7);
    lines.iter().flat_map(|line| ["  ", line.as_str(), "\n"]).collect()
}

fn paragraph(text: &str, width: usize, indent: usize) -> String {
    lines(&wrap(text, width, indent), width)
}

fn lines(lines: &[String], width: usize) -> String {
    lines.iter().map(|line| fit(line, width) + "\n").collect()
}
