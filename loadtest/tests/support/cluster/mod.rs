//! What the tests on a real cluster share: its settings, kubectl, the manifests put on it, and a watch on them.

#[path = "../kubeconfig.rs"]
mod kubeconfig;
pub mod kubectl;
pub mod observer;
mod removal;
pub mod settings;
pub mod transcript;
pub mod workload;
