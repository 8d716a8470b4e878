//! Findings that more than one link can make.

pub(crate) mod missing_right;
pub(crate) mod no_counter;
pub(crate) mod pending_pod;
pub(crate) mod pod_failure;
pub(crate) mod rule;
pub(crate) mod selection;
