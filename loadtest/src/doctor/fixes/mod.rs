//! What writes the commands to paste.
//!
//! Anyone who may write an object decides what its values say, and an administrator pastes the command into a shell. So a
//! command consists of the tool's own words, which are constants, and of arguments, which are data and quoted in one place.
//! If kubectl would refuse an argument, there is no command.
//!
//! - [`command`]: the builder, which refuses. `names`: the names that Kubernetes and Prometheus accept. [`kubectl`]: the
//!   commands that several links share.

pub mod command;
pub mod helm;
pub mod kubectl;
mod names;
pub(crate) mod rollback;
pub(crate) mod scaler;

pub use command::Command;
pub use names::{is_label_name, is_metric};
