//! `charts/shopfront` on a real cluster, with the names of kube-prometheus or of Helm's charts, whichever it has: install, a
//! value, `helm test`, upgrade, rollback, and an uninstall that leaves nothing.
//!
//! Needs a cluster and `--ignored`, as `tests/cluster` does, and Helm: `SHOPFRONT_TEST_HELM`, or `helm` in the PATH.
//! `.ci/cluster chart` runs it.

#[allow(dead_code, reason = "the cluster test uses the rest of it")]
#[path = "../support/cluster/mod.rs"]
mod cluster;
#[path = "../support/ending.rs"]
mod ending;
mod helm;
mod release;
mod rule;

use std::path::Path;
use std::rc::Rc;

use cluster::kubectl::Kubectl;
use cluster::settings::{Scaler, Settings};
use cluster::transcript::Transcript;
use release::Release;
use rule::Rule;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: set SHOPFRONT_TEST_KUBECONFIG"]
async fn the_chart_installs_scales_upgrades_and_leaves_nothing() {
    let settings = Settings::from_environment("chart-transcript.txt");
    let transcript = Transcript::create(&settings.transcript);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let kubectl = Kubectl::new(&settings.kubeconfig, &root, transcript.clone());
    let release = Rc::new(Release::new(&settings, kubectl.clone(), transcript.clone()));
    release.nothing_is_there_yet().await;
    let rule = match settings.scaler {
        Scaler::Adapter => Some(Rule::add(&kubectl).await),
        Scaler::Keda => None,
    };

    // The cluster is restored even after a failure.
    let told = ending::run({
        let release = release.clone();
        async move { tell(&release).await }
    })
    .await;
    if told.is_err() {
        release.show_what_is_there().await;
    }
    let removed = release.remove().await;
    if let Some(rule) = rule {
        rule.remove(&kubectl).await;
    }
    if let Err(error) = told {
        transcript.say(format_args!("failed: {error}"));
        ending::fail(error);
    }
    removed.expect("the namespace can be deleted");
    transcript.step("passed");
}

/// The steps, in their order.
async fn tell(release: &Release) {
    release.the_api_server_accepts_every_version().await;
    release.without_the_right_to_list_prometheus_helm_says_what_to_set().await;
    release.install().await;
    release.the_hpa_has_a_value().await;
    release.helm_test_scales_out().await;
    release.one_pod_is_left().await;
    release.an_upgrade_loses_no_request().await;
    release.a_rollback_brings_the_first_revision_back().await;
    release.another_scaler_and_back().await;
    release.an_uninstall_leaves_nothing().await;
}
