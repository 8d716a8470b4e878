//! Commands that change the HPA.

use serde_json::json;

use super::Command;
use crate::doctor::evidence::Evidence;
use crate::doctor::fixes::kubectl::merge;

/// The command that sets the maximum, where it is written: KEDA writes the HPA's anew.
pub fn maximum(evidence: &Evidence, most: u64) -> Option<Command> {
    match evidence.scaled_object.seen() {
        Some(object) => Some(merge(object, &json!({"spec": {"maxReplicaCount": most}}))),
        None => Some(merge(evidence.hpa.seen()?, &json!({"spec": {"maxReplicas": most}}))),
    }
}
