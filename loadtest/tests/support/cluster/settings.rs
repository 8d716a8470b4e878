//! The tests' settings, from environment variables.

use std::path::{Path, PathBuf};

use super::kubeconfig::kubeconfig;

/// Which server provides the metric.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Scaler {
    Adapter,
    Keda,
}

pub struct Settings {
    pub kubeconfig: PathBuf,
    /// The image, as the cluster pulls it.
    pub image: String,
    /// The load tool's image, as the cluster pulls it.
    pub loadtest_image: String,
    pub scaler: Scaler,
    /// Shortens the stabilisation, and skips the faults and the second window.
    pub quick: bool,
    /// A command that kills the containerd shim of a pod. Its arguments are the namespace and the name.
    pub kill_command: Option<String>,
    pub transcript: PathBuf,
}

impl Settings {
    /// Reads the variables. Fails without a cluster. The transcript has this name unless a variable sets another path.
    pub fn from_environment(transcript: &str) -> Self {
        let kubeconfig = kubeconfig();
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let image =
            variable("SHOPFRONT_TEST_IMAGE").expect("SHOPFRONT_TEST_IMAGE names the image as the cluster pulls it");
        let loadtest_image = variable("SHOPFRONT_TEST_LOADTEST_IMAGE")
            .expect("SHOPFRONT_TEST_LOADTEST_IMAGE names the load tool's image as the cluster pulls it");
        let scaler = match variable("SHOPFRONT_TEST_SCALER").as_deref() {
            None | Some("adapter") => Scaler::Adapter,
            Some("keda") => Scaler::Keda,
            Some(other) => panic!("SHOPFRONT_TEST_SCALER: {other} is neither adapter nor keda"),
        };
        let transcript = variable("SHOPFRONT_TEST_TRANSCRIPT")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(transcript), PathBuf::from);
        Self {
            kubeconfig,
            image,
            loadtest_image,
            scaler,
            quick: variable("SHOPFRONT_TEST_QUICK").is_some(),
            kill_command: variable("SHOPFRONT_TEST_KILL_COMMAND"),
            transcript,
        }
    }
}
