//! The diagnosis as people read it, and as programs do.

use crate::doctor::diagnosis::{Diagnosis, Figures, Finding, Outcome, Rung, State};
use crate::doctor::link::Link;
use crate::output::text::{date, fit, rounded, seconds, wrap};
use crate::output::{Clean, json_pretty};

/// The schema that `loadtest doctor --json` keeps to.
pub const SCHEMA: &str = include_str!("../../doctor.schema.json");

/// Where what is said begins, beside a word for it.
const INDENT: usize = 7;

/// The diagnosis as JSON.
pub fn json(diagnosis: &Diagnosis) -> String {
    json_pretty(diagnosis)
}

/// The whole of it, in lines no wider than this; but a command is never cut.
pub fn render(diagnosis: &Diagnosis, width: usize, colour: bool) -> Clean {
    let mut text = Clean::of(&(fit(&format!("{}, {}", diagnosis.hpa, date(diagnosis.taken)), width) + "\n\n"));
    diagnosis.rungs.iter().for_each(|rung| line(&mut text, rung, width, colour));
    text.push("\n");
    text.push(&match diagnosis.outcome {
        Outcome::Broken => fault(diagnosis, width),
        Outcome::Healthy => health(diagnosis, width),
        Outcome::CouldNotLook => undecided(diagnosis, width),
    });
    text.push(&rights(diagnosis, width));
    text
}

/// The ladder down to the first broken link, and what is said of that.
pub fn broken(diagnosis: &Diagnosis, width: usize, colour: bool) -> Clean {
    let upto = diagnosis.rungs.iter().position(|rung| rung.state == State::Broken).map_or(0, |index| index + 1);
    let mut text = Clean::default();
    diagnosis.rungs[..upto].iter().for_each(|rung| line(&mut text, rung, width, colour));
    text.push("\n");
    text.push(&fault(diagnosis, width));
    text.push("\n");
    text
}

fn line(text: &mut Clean, rung: &Rung, width: usize, colour: bool) {
    let (mark, paint) = match rung.state {
        State::Holds => ('✓', 32),
        State::Broken => ('✗', 31),
        State::Unknown => ('?', 33),
        State::NotJudged => ('·', 2),
    };
    let line = fit(&format!("{mark} {:<11} {}", rung.link.label(), rung.evidence), width);
    match line.strip_prefix(mark).filter(|_| colour) {
        Some(rest) => {
            text.push_painted(mark, paint);
            text.push(rest);
        }
        None => text.push(&line),
    }
    text.push("\n");
}

/// The first link that keeps the chain undecided, why it does, and what is to be done about that. Where the series is
/// there, or the answer, what is undecided above it keeps nothing.
fn undecided(diagnosis: &Diagnosis, width: usize) -> String {
    let proof = |rung: &Rung| matches!(rung.link, Link::Series | Link::Answer) && rung.state == State::Holds;
    let proven = diagnosis.rungs.iter().rposition(proof).map_or(0, |index| index + 1);
    let open = |rung: &&Rung| matches!(rung.state, State::Unknown | State::NotJudged);
    let Some(rung) = diagnosis.rungs[proven..].iter().find(open) else { return String::new() };
    let (word, next) = match (rung.state, diagnosis.missing_rights.is_empty()) {
        (State::Unknown, true) => ("COULD NOT LOOK", "See why there is no answer, and ask again."),
        (State::Unknown, false) => ("COULD NOT LOOK", "Ask again with the rights below."),
        (_, true) => ("NOT YET", "Ask again when that has changed; mostly it has in a minute."),
        (_, false) => ("NOT YET", "Ask again in a minute; if it is the same then, with the rights below."),
    };
    let at = place(rung.link);
    let head = format!("{word} at {at}: no link is known to be broken, and the HPA is not known to read its metric");
    lines(&wrap(&head, width, 0), width) + &said([("Seen", &rung.evidence), ("Next", next)], width)
}

fn fault(diagnosis: &Diagnosis, width: usize) -> String {
    let Some(finding) = &diagnosis.broken else { return String::new() };
    let link = diagnosis.rungs.iter().find(|rung| rung.state == State::Broken).map(|rung| rung.link);
    let at = link.map(|link| format!("BROKEN at {}: ", place(link))).unwrap_or_default();
    told(&at, finding, width)
}

/// A link's name, with its number among all of them.
fn place(link: Link) -> String {
    let number = Link::ALL.iter().position(|one| *one == link).map_or(0, |index| index + 1);
    format!("{} (link {number} of {})", link.label(), Link::ALL.len())
}

/// The cause, its evidence, and what mends it; the commands as they are, from the first column on.
fn told(at: &str, finding: &Finding, width: usize) -> String {
    let entry = finding.cause.entry();
    let head = format!("{at}{} (cause {}, {})", entry.title, finding.cause.number(), entry.name);
    let mut text = lines(&wrap(&head, width, 0), width);
    text.push_str(&said([("Seen", &finding.evidence), ("Fix", &finding.fix.advice)], width));
    if !finding.fix.commands.is_empty() {
        text.push('\n');
    }
    for command in &finding.fix.commands {
        text.push_str(command.trim_end());
        text.push('\n');
    }
    text
}

/// What is said, beside a word for it.
fn said(all: [(&str, &str); 2], width: usize) -> String {
    let told = all.into_iter().filter(|(_, said)| !said.is_empty());
    told.map(|(word, said)| lines(&wrap(&format!("{word:<6} {said}"), width, INDENT), width)).collect()
}

fn health(diagnosis: &Diagnosis, width: usize) -> String {
    let mut text = "HEALTHY\n".to_owned();
    if let Some(figures) = &diagnosis.figures {
        text.push_str(&lines(&crate::doctor::render::figures(figures), width));
    }
    if let Some(finding) = &diagnosis.explains {
        text.push('\n');
        text.push_str(&told("Nothing changes at the moment: ", finding, width));
    }
    text
}

fn figures(figures: &Figures) -> Vec<String> {
    let number = |number: f64| rounded(number, 3);
    let perhaps = |value: Option<f64>| value.map_or("not known".to_owned(), number);
    let relist = if figures.relist > 0.0 { seconds(figures.relist) } else { "none".to_owned() };
    let (least, most) = figures.delay;
    [
        ("value", format!("{} of a target of {} a pod", perhaps(figures.value), number(figures.target))),
        ("idle", format!("{} a pod without a client", perhaps(figures.idle))),
        ("scrape", format!("each {}", seconds(figures.scrape))),
        ("window", format!("{} of the rate", seconds(figures.window))),
        ("relist", relist),
        ("sync", format!("each {}, the HPA's look", seconds(figures.sync))),
        ("delay", format!("a step to twice the target wants more pods {} to {} later", seconds(least), seconds(most))),
    ]
    .into_iter()
    .map(|(name, said)| format!("  {name:<6} {said}"))
    .collect()
}

fn rights(diagnosis: &Diagnosis, width: usize) -> String {
    if diagnosis.missing_rights.is_empty() {
        return String::new();
    }
    let rights = diagnosis.missing_rights.iter().map(|right| format!("  {right}"));
    let all: Vec<String> = std::iter::once("Rights that are missing:".to_owned()).chain(rights).collect();
    "\n".to_owned() + &lines(&all, width)
}

fn lines(lines: &[String], width: usize) -> String {
    lines.iter().map(|line| fit(line, width) + "\n").collect()
}
