//! loadtest: honest load for an autoscaled service, the autoscaler watched all the while, and a report with a verdict.
//!
//! The map. Whatever is seen becomes an [`journal::Entry`]; the report is a pure function of those entries, so that a
//! journal that a crash cut short, and journals of several generators, make a report as well.
//!
//! - [`profile`]: what load is asked for. [`schedule`]: when each request is due. [`generator`]: sends each when it is
//!   due, whatever the target does. [`stats`]: what came of them, second by second.
//! - [`kube`]: the one way to a cluster, and the bounds on what is read of it.
//! - [`observe`]: the autoscaler and its pods, in a cluster. [`rehearse`]: the whole loop on this machine instead.
//! - [`autoscaling`]: Prometheus' `rate()`, the HPA's algorithm, and the two together as a prediction.
//! - [`doctor`]: why an HPA does not scale: the first broken link between a request and a replica.
//! - [`journal`]: all of it, written down as it comes. [`report`]: the journal folded into figures, a page and a
//!   verdict. [`output`]: the one way to a terminal. [`merge`]: joins several journals.
//! - [`cli`]: the command line. [`commands`]: what each command does. [`session`]: from the first request to the verdict.
//! - [`pace`]: how long something takes in a rehearsal that compresses time.
//! - [`error`]: why the tool cannot go on. [`visible`]: characters that cannot be seen. [`loopback`]: a listener on this
//!   machine alone. [`input`]: files of others. [`bounds`]: what a load and an autoscaler can be.

pub mod autoscaling;
pub mod bounds;
pub mod cli;
pub mod commands;
pub mod doctor;
pub mod error;
pub mod generator;
pub mod input;
pub mod journal;
pub mod kube;
pub mod loopback;
pub mod merge;
pub mod observe;
pub mod output;
pub mod pace;
pub mod profile;
pub mod rehearse;
pub mod report;
pub mod schedule;
pub mod session;
pub mod stats;
pub mod visible;
