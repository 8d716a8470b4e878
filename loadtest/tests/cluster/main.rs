//! The manifests on a real cluster: from 1 to 3 pods and back, with nothing lost.
//!
//! Needs a cluster and `--ignored`: `SHOPFRONT_TEST_KUBECONFIG` names its kubeconfig, `SHOPFRONT_TEST_IMAGE` the image as
//! the cluster pulls it; README.md lists the other variables. `.ci/cluster` runs it.

mod clients;
#[path = "../support/cluster/mod.rs"]
mod cluster;
#[path = "../support/ending.rs"]
mod ending;
mod entrance;
mod faults;
mod load;
mod prometheus;
mod ramp;
mod steps;
mod verdict;

use cluster::settings::Settings;
use cluster::transcript::Transcript;
use cluster::workload::Workload;
use steps::Run;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster: set SHOPFRONT_TEST_KUBECONFIG"]
async fn the_manifests_scale_from_one_pod_to_three_and_back_and_lose_nothing() {
    let settings = Settings::from_environment("cluster-transcript.txt");
    let transcript = Transcript::create(&settings.transcript);
    let workload = Workload::prepare(&settings, transcript.clone()).await;
    let run = Run::new(settings, workload);

    let told = ending::run({
        let run = run.clone();
        async move { tell(&run).await }
    })
    .await;
    if told.is_err() {
        run.workload.show_what_is_there().await;
    }
    transcript.step("7. nothing is left behind");
    let removed = run.workload.remove().await;
    if let Err(error) = told {
        transcript.say(format_args!("failed: {error}"));
        ending::fail(error);
    }
    assert_eq!(removed, Ok(()), "something is left behind");
    transcript.step("passed");
}

/// The steps of the proof, in their order.
async fn tell(run: &Run) {
    let observer = run.install().await;
    let (metric, ()) = tokio::join!(run.the_metric_comes(&observer), run.the_apis_answer());
    run.the_metric_came_in_time(&metric);
    run.an_idle_pod_reads_zero(&observer).await;
    let entrance = run.the_load_balancer_answers().await;
    let ramp = run.three_pods_come(&observer).await;
    // Its watch has no other load in it, so that both ways can be held to the prediction.
    run.one_pod_is_left(&observer, entrance.as_ref(), ramp).await;
    run.a_rolling_restart_loses_nothing(&observer, entrance.as_ref()).await;
    run.the_hpa_always_had_a_value(&observer);
    if !run.settings.quick {
        run.faults_heal(&observer, entrance.as_ref()).await;
    }
}
