//! `charts/`, with Helm and without a cluster: against `k8s/`, against the API's types, and what its schema refuses.

#[allow(dead_code, reason = "the tests of k8s/ use the rest of it")]
#[path = "../manifests/custom.rs"]
mod custom;
mod drift;
mod helm;
#[allow(dead_code, reason = "the tests of k8s/ use the rest of it")]
#[path = "../manifests/objects.rs"]
mod objects;
mod package;
mod rendered;
mod values;
