//! The page that a browser gets at `/`: the facts as they are, and the request rate as it moves.

use std::fmt::Write;

use crate::facts::Facts;
use crate::format::escape_html;

/// No resource from anywhere but this page, and only this page's own style and script.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'";

/// The page with its facts filled in.
pub fn render(facts: &Facts) -> String {
    let mut rows = String::new();
    let runtime = serde_json::to_value(&facts.runtime).expect("a map of strings");
    for (name, value) in runtime.as_object().into_iter().flatten() {
        row(&mut rows, name, value.as_str().unwrap_or_default());
    }
    format!("<table>{rows}</table>")
}

fn row(rows: &mut String, name: &str, value: &str) {
    let (name, value) = (escape_html(name), escape_html(value));
    let _ = writeln!(rows, "<tr><th>{name}</th><td>{value}</td></tr>");
}
