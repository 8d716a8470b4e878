//! What writes commands to copy, and the texts that stand in them.
//!
//! What an object, a label or a rule says is written by whoever may write it, and an administrator copies the command
//! into a shell of his own choice. So a command is built of the tool's own words, which are constants, and of arguments,
//! which are data and quoted in one place; and where an argument is none that kubectl would take, there is no command.
//!
//! - [`command`]: the builder, and what refuses. `names`: what Kubernetes and Prometheus take for a name. [`kubectl`]:
//!   the commands that several links have in common.

pub mod command;
pub(crate) mod hpa;
pub mod kubectl;
mod names;
pub(crate) mod rollback;
pub(crate) mod trigger;

pub use command::{Command, Line};
pub use names::{is_label_name, is_metric};
