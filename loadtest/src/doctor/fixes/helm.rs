//! Objects that a Helm release made: its next upgrade takes back what a command changes.

use serde_json::Value;

use crate::doctor::evidence::Evidence;
use crate::doctor::objects::{name, namespace, titled};
use crate::kube::read::Read;

/// What to do besides these commands, if they change an object of a Helm release.
pub fn note(evidence: &Evidence, commands: &[String]) -> Option<String> {
    let one = [&evidence.hpa, &evidence.workload, &evidence.scaled_object, &evidence.server.config];
    let lists = [&evidence.services, &evidence.monitors];
    let lists = lists.into_iter().flat_map(Read::items);
    let objects = one.into_iter().filter_map(Read::seen).chain(lists);
    let mut changed = objects.filter(|object| commands.iter().any(|command| changes(command, object)));
    changed.find_map(|object| {
        let (release, of) = release(object)?;
        let object = titled(object);
        Some(format!("{object} belongs to the Helm release {of}/{release}: change the release's values as well, or its next upgrade takes this back."))
    })
}

/// The release that an object is of, and its namespace. Source: `pkg/action/validate.go` of Helm.
fn release(object: &Value) -> Option<(&str, &str)> {
    let annotations = &object["metadata"]["annotations"];
    let release = annotations["meta.helm.sh/release-name"].as_str()?;
    Some((release, annotations["meta.helm.sh/release-namespace"].as_str().unwrap_or_else(|| namespace(object))))
}

/// Whether a command of kubectl changes an object, which it names as `kind.group/name`.
fn changes(command: &str, object: &Value) -> bool {
    let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
    let is_it = |word: &str| {
        word.split_once('/').is_some_and(|(of, named)| of.split('.').next() == Some(&kind) && named == name(object))
    };
    command.contains(&format!("-n {} ", namespace(object))) && command.split_whitespace().any(is_it)
}
