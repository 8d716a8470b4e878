//! Shared code of the tests on a real cluster: settings, kubectl, the manifests, and a watch on the HPA.

#[path = "../kubeconfig.rs"]
mod kubeconfig;
pub mod kubectl;
pub mod observer;
mod removal;
pub mod settings;
pub mod transcript;
pub mod workload;
