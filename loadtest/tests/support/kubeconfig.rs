//! The cluster that a test is given.

use std::path::PathBuf;

/// The kubeconfig that `SHOPFRONT_TEST_KUBECONFIG` names, from the root: kubectl runs in another folder than the test.
pub fn kubeconfig() -> PathBuf {
    let path = std::env::var_os("SHOPFRONT_TEST_KUBECONFIG").filter(|path| !path.is_empty());
    let path = path.expect("this test needs a cluster: set SHOPFRONT_TEST_KUBECONFIG to its kubeconfig");
    std::path::absolute(path).expect("there is a current directory")
}
