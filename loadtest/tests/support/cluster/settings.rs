//! What the test is told by variables.

use std::path::{Path, PathBuf};

use super::kubeconfig::kubeconfig;

/// Who brings the metric from Prometheus to the HPA.
#[derive(Clone, Copy, Eq, PartialEq)]
pub enum Scaler {
    Adapter,
    Keda,
}

pub struct Settings {
    pub kubeconfig: PathBuf,
    /// The image, as the cluster pulls it.
    pub image: String,
    /// The load tool's, likewise.
    pub loadtest_image: String,
    pub scaler: Scaler,
    /// Shortens the stabilisation, and leaves out the faults and the second window.
    pub quick: bool,
    /// Kills the containerd shim of a pod, whose namespace and name it is given.
    pub kill_command: Option<String>,
    pub transcript: PathBuf,
}

impl Settings {
    /// Fails where no cluster is given. The transcript is a file of this name, unless another is given.
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
