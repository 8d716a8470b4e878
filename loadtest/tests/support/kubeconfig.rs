//! The cluster for the tests that need one.

use std::path::PathBuf;

/// The absolute path of `SHOPFRONT_TEST_KUBECONFIG`, because kubectl runs in another folder than the test.
pub fn kubeconfig() -> PathBuf {
    let path = std::env::var_os("SHOPFRONT_TEST_KUBECONFIG").filter(|path| !path.is_empty());
    let path = path.expect("this test needs a cluster: set SHOPFRONT_TEST_KUBECONFIG to its kubeconfig");
    std::path::absolute(path).expect("there is a current directory")
}
