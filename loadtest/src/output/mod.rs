//! The only way to standard output and standard error.
//!
//! Names, messages and metrics come from anyone who may write an object, a bundle or a journal. Printed as they are,
//! they could move the cursor, set the window's title, or show letters in another order than a shell reads them
//! (CWE-150, CVE-2021-25743, CVE-2021-42574). [`Printer`], [`print()`] and [`say`] accept only [`Clean`], which only
//! this module can create. A test checks that nothing else in the tool writes to standard output or standard error.
//!
//! - `clean`: [`Clean`], and JSON. [`events`]: events in words. [`printer`]: prints without blocking the load. [`sink`]: what
//!   standard output shows during a load. [`live`]: the view and the lines. `stream`: the width of an output.

mod clean;
pub mod events;
pub mod live;
pub mod printer;
pub mod sink;
mod stream;
pub mod text;

pub(crate) use crate::visible::visible_html;
pub use crate::visible::{is_hidden, visible};
pub use clean::{Clean, json, json_pretty, yaml};
pub use printer::{Printer, print, say};
pub use stream::Stream;
