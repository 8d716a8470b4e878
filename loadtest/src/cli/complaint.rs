//! What is said of a command line that cannot be used.

use std::borrow::Cow;
use std::process::ExitCode;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};

use crate::journal::without_credentials;
use crate::output::{Clean, print, say, visible};

/// An argument without a user and a password that it may have. The name of an option is none: `--header <…|@FILE>`.
fn bare(text: &str) -> Cow<'_, str> {
    let is_name = !text.contains("://") && text.contains('<');
    if is_name { text.into() } else { without_credentials(text).into() }
}

/// Prints clap's message, which repeats arguments, and returns the exit code.
pub(super) fn explain(mut error: clap::Error) -> ExitCode {
    let clean = |text: &String| visible(&bare(text)).into_owned();
    let styled = |text: &StyledStr| StyledStr::from(visible(&bare(&text.to_string())).into_owned());
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
