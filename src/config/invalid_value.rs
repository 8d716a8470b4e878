//! What is printed for an invalid value.

use std::fmt;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue};

use super::Config;

/// The error for an invalid value, in one line, with the flag and the variable: clap's own names only the flag, although the
/// value may come from the variable.
pub(super) struct InvalidValueError<'a>(pub(super) &'a clap::Error);

impl fmt::Display for InvalidValueError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |kind| match self.0.get(kind) {
            Some(ContextValue::String(text)) => text.as_str(),
            _ => "",
        };
        let argument = text(ContextKind::InvalidArg);
        // "--address <IP:PORT,…>", or "--lab[=<BOOL>]".
        let flag = argument.split([' ', '[', '=']).next().unwrap_or_default();
        write!(f, "{flag}")?;
        let command = Config::command();
        let variable = command
            .get_arguments()
            .find(|known| known.get_long() == flag.strip_prefix("--"))
            .and_then(clap::Arg::get_env);
        if let Some(variable) = variable {
            write!(f, " (or the variable {})", variable.display())?;
        }
        write!(f, ": invalid value {:?}", text(ContextKind::InvalidValue))?;
        if let Some(source) = std::error::Error::source(self.0) {
            write!(f, ": {source}")?;
        } else if let Some(ContextValue::Strings(valid)) = self.0.get(ContextKind::ValidValue) {
            match valid.as_slice() {
                [] => write!(f, ": a value is missing")?,
                valid => write!(f, ": choose one of {}", valid.join(", "))?,
            }
        }
        Ok(())
    }
}
