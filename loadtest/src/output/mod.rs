//! The one way to a terminal, and to whoever reads what the tool prints.
//!
//! Names, messages and metrics come from whoever may write an object, a bundle or a journal. Printed as they are, they
//! could move the cursor, set the window's title, or show an operator another order of letters than a shell will read
//! (CWE-150, CVE-2021-25743, CVE-2021-42574). [`Printer`], [`print()`] and [`say`] take [`Clean`] alone, and only this module
//! can make one; a test holds that nothing else in the tool writes to standard output or standard error.
//!
//! - `clean`: [`Clean`], and JSON. [`events`]: events in words. [`printer`]: prints, and holds
//!   nothing up. [`show`]: what standard output gets while a load goes on. `stream`: how wide an output is.

mod clean;
pub mod events;
pub mod live;
pub mod printer;
pub mod show;
mod stream;
pub mod text;

pub use crate::visible::{is_hidden, visible, visible_tree};
pub use clean::{Clean, json, json_pretty};
pub use printer::{Printer, print, say};
pub use stream::Stream;
