//! The page that a browser gets at `/`: the document, and the live request rate.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::document::Document;
use crate::redact::REDACTED;

/// The style and the script. The policy names their hashes, so neither has a part that is filled in.
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Nothing is loaded from anywhere but the service, and only the page's own style and script are allowed, by their hashes.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; img-src data:; \
    style-src 'sha256-r2vmZIcqtLvvYbU7P4BPXxPGAdgKgA++GxT7kUwUJdc='; \
    script-src 'sha256-S06SW1T7FcQsDAoobMNug1Y+n2cOeupyQ/XF+XLraks='";

/// Renders the page.
pub fn render(document: &Document) -> String {
    let hostname = document.runtime.hostname.as_str();
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (hostname) " · shopfront" }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body data-target=[document.target] data-prefix=[document.url_prefix.as_ref()] {
                header {
                    p { "shopfront: you reached the pod" }
                    p #status role="status" {}
                    h1 #hostname { (hostname) }
                }
                main {
                    noscript { section { "The live numbers need JavaScript. The tables below do not." } }
                    (own_rate(document.target))
                    (pods())
                    div.facts {
                        section {
                            h2 { "Runtime" }
                            (runtime(document))
                        }
                        section {
                            h2 { "Environment" }
                            (environment(document))
                        }
                    }
                }
                footer {
                    h2 { "The same for programs" }
                    pre {
                        i { "# YAML" } "\ncurl " span.origin { "http://…" } "/\n"
                        i { "# JSON" } "\ncurl -H 'Accept: application/json' " span.origin { "http://…" } "/"
                    }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// This pod's request rate. The script fills it in.
fn own_rate(target: Option<f64>) -> Markup {
    let beside = target.map(|target| format!(", beside the autoscaler’s target of {target}")).unwrap_or_default();
    html! {
        section.now.live aria-label="Requests" hidden {
            div {
                p {
                    span #rate { "–" } " requests per second, this pod" br;
                    small { "mean of the last 5 seconds" }
                }
                p { b #total { "–" } " " span.soft { "requests since its start" } }
            }
            div {
                div.chart {
                    svg #sparkline viewBox="0 0 60 100" preserveAspectRatio="none" role="img"
                        aria-label={ "This pod’s requests per second in the last minute" (beside) } {
                        (lines())
                    }
                    @if let Some(target) = target { span #aim { "target " (target) "/s" } }
                }
                p.axis { span { "60 s ago" } span #peak {} span { "now" } }
            }
        }
    }
}

/// The pods that have answered. The script adds a row for each, from the template.
fn pods() -> Markup {
    html! {
        section.live aria-labelledby="pods-title" hidden {
            div.head {
                h2 #pods-title aria-live="polite" { "Answering pods" }
                p #together.soft {}
            }
            ul #pods {}
            template #pod {
                li {
                    span.name { span {} b {} " " i hidden { "this page" } }
                    svg viewBox="0 0 60 100" preserveAspectRatio="none" aria-hidden="true" { (lines()) }
                    span.figure { b {} " " small { "/s" } }
                    small.figure {}
                }
            }
            p #alone.soft { "Pods that the autoscaler adds appear here when they answer one of this page’s polls." }
        }
    }
}

/// The parts of a chart.
fn lines() -> Markup {
    html! { path.bars {} path.aim {} path.mean {} }
}

fn runtime(document: &Document) -> Markup {
    let runtime = serde_json::to_value(&document.runtime).expect("a map of strings");
    let rows = runtime.as_object().into_iter().flatten();
    table(rows.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default())))
}

/// The maximum number of variables that are shown unasked.
const UNFOLDED: usize = 30;

/// Whether cargo and rustup set this variable for what `cargo run` starts. It says nothing about the service.
fn is_of_cargo(name: &str) -> bool {
    ["CARGO_", "RUSTUP_"].iter().any(|prefix| name.starts_with(prefix))
        || ["CARGO", "RUST_RECURSION_COUNT"].contains(&name)
}

fn environment(document: &Document) -> Markup {
    let by_cargo = document.environment.contains_key("CARGO_MANIFEST_DIR");
    let (of_cargo, shown): (Vec<_>, Vec<_>) =
        document.environment.iter().partition(|(name, _)| by_cargo && is_of_cargo(name));
    let redacted = shown.iter().filter(|(_, value)| *value == REDACTED).count();
    html! {
        @if shown.is_empty() {
            p.soft { "No variables: there are none, or --environment none hides them." }
        } @else {
            details open[shown.len() <= UNFOLDED] {
                summary.soft { (shown.len()) " variables" }
                (table(shown.iter().map(|(name, value)| (name.as_str(), value.as_str()))))
            }
        }
        @if !of_cargo.is_empty() {
            p.soft { (of_cargo.len()) " variables of cargo are left out here; curl shows them." }
        }
        @match redacted {
            0 => {}
            1 => p.soft { "1 value is redacted, because it is not known to be harmless." }
            count => p.soft { (count) " values are redacted, because they are not known to be harmless." }
        }
    }
}

fn table<'a>(rows: impl Iterator<Item = (&'a str, &'a str)>) -> Markup {
    html! {
        table {
            @for (name, value) in rows {
                tr { th scope="row" { (name) } td class=[(value == REDACTED).then_some("redacted")] { (value) } }
            }
        }
    }
}

/// A page without live parts: an error, or a short document.
pub fn short(title: &str, content: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                meta name="color-scheme" content="light dark";
                title { (title) }
            }
            body { (content) }
        }
    };
    page.into_string() + "\n"
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::config::EnvironmentMode;

    #[test]
    fn policy_allows_the_style_and_the_script_of_the_page() {
        let page = render(&Document::gather(EnvironmentMode::None, &[], 1));
        for element in ["style", "script"] {
            let (open, close) = (format!("<{element}>"), format!("</{element}>"));
            assert_eq!(page.matches(&format!("<{element}")).count(), 1, "the page has one {element}");
            let (_, rest) = page.split_once(&open).expect("the element opens");
            let (text, _) = rest.split_once(&close).expect("the element ends");
            let source = format!("{element}-src 'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
            assert!(CONTENT_SECURITY_POLICY.split("; ").any(|directive| directive == source), "it must be: {source}");
        }
    }

    #[test]
    fn names_and_values_are_escaped() {
        let mut document = Document::gather(EnvironmentMode::None, &[], 1);
        document.runtime.hostname = "{{runtime}}<b>".to_owned();
        assert!(render(&document).contains("--environment none hides them"));
        document.environment.insert("<i>".to_owned(), "{{environment}}\"".to_owned());
        document.environment.insert("API_KEY".to_owned(), REDACTED.to_owned());
        let page = render(&document);
        assert!(page.contains("<h1 id=\"hostname\">{{runtime}}&lt;b&gt;</h1>"), "{page}");
        assert!(page.contains("&lt;i&gt;</th><td>{{environment}}&quot;</td>"), "{page}");
        assert!(
            page.contains("<td class=\"redacted\">[redacted]</td>") && page.contains("1 value is redacted"),
            "{page}"
        );
        assert_eq!(page.matches(document.runtime.num_tasks.as_str()).count(), 1);
    }

    #[test]
    fn short_page_escapes_its_content() {
        let page = short("<a>", &html! { p { "<a href=\"x\">&" } });
        assert!(page.contains("<title>&lt;a&gt;</title>") && page.contains("<p>&lt;a href=&quot;x&quot;&gt;&amp;</p>"));
    }
}
