//! Answers that are made to hurt: too long, too heavy in memory, too slow, without end. From the API server, from
//! Prometheus and from pods, at every place where the tool reads one.

mod bundle;
#[path = "../support/chain.rs"]
mod chain;
mod honest;
mod measured;
mod server;

use std::time::Duration;

use chain::unbroken;
use futures_util::StreamExt;
use measured::{MIB, Measured, run};
use server::{Hurt, Server};

/// What the tool may take where nothing of what it is answered can be used.
const MOST: u64 = 128 * MIB;

/// What it may take in the Job of k8s/loadtest.yml.
const OF_JOB: u64 = 128 * MIB;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(150);

/// Runs the doctor on the chain, of which these answers hurt.
async fn examined(hurt: Hurt, places: &'static [&'static str]) -> Measured {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), unbroken(), hurt, places).await;
    let ran = run(&["doctor", "shop/hpa"], &[("KUBECONFIG", &server.kubeconfig)], PATIENCE).await;
    assert!(server.hurt() > 0, "{hurt:?} {places:?}: nobody asked");
    println!("{hurt:?} {places:?}: {} MiB, exit {:?}", ran.peak / MIB, ran.code);
    ran
}

/// Some at once: most of their time is waiting.
async fn several<F: Future<Output = ()>>(all: impl IntoIterator<Item = F>) {
    futures_util::stream::iter(all).buffer_unordered(4).collect::<Vec<()>>().await;
}

/// Every kind of answer that hurts.
const ALL: [Hurt; 11] = [
    Hurt::Flood,
    Hurt::Endless,
    Hurt::Drip,
    Hurt::Silent,
    Hurt::Deep,
    Hurt::Text,
    Hurt::Names,
    Hurt::Packed,
    Hurt::Chunk,
    Hurt::Head,
    Hurt::Redirect,
];

/// All that follows once the HPA is known.
const REST: &[&str] = &[
    "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers?",
    "/events",
    "/services",
    "/servicemonitors",
    "/podmonitors",
    "/prometheuses",
    "/api",
    "/apis",
    "/apis/autoscaling",
    "/api/v1/namespaces/shop",
    "/statefulsets/",
    "/deployments",
    "/configmaps/",
    "/apiservices/",
    "/pods",
    "/proxy/",
    "/apis/custom.metrics.k8s.io/",
    "/subjectaccessreviews",
    "/networkpolicies",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_of_the_api_server_takes_more_memory_or_time_than_it_may() {
    several(ALL.into_iter().map(|hurt| async move {
        let ran = examined(hurt, REST).await;
        assert!(ran.peak < MOST, "{hurt:?}: {} MiB", ran.peak / MIB);
        // What could not be read breaks no link.
        assert_eq!(ran.code, Some(3), "{hurt:?}: {}{}", ran.out, ran.said);
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_hurts_at_once_is_told_in_one_line() {
    // Any object may be a version.
    let all = ALL.into_iter().filter(|hurt| *hurt != Hurt::Names);
    several(all.map(|hurt| async move {
        let ran = examined(hurt, &["/version"]).await;
        assert!(ran.peak < OF_JOB, "{hurt:?}: {} MiB", ran.peak / MIB);
        assert_eq!((ran.code, ran.said.lines().count()), (Some(3), 1), "{hurt:?}: {}{}", ran.out, ran.said);
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_or_a_pod_that_hurts_breaks_no_link() {
    let places: [&'static [&'static str]; 4] =
        [&["/proxy/base/"], &["/proxy/counts"], &["/apis/custom.metrics.k8s.io/"], &["/horizontalpodautoscalers/hpa"]];
    let hurts = [Hurt::Flood, Hurt::Endless, Hurt::Deep, Hurt::Names];
    let all = places.into_iter().flat_map(|place| hurts.map(|hurt| (place, hurt)));
    // A page of something else, within the bounds, is one without the counter.
    let all = all.filter(|(place, hurt)| place[0] != "/proxy/counts" || matches!(hurt, Hurt::Flood | Hurt::Endless));
    several(all.map(|(place, hurt)| async move {
        let ran = examined(hurt, place).await;
        assert!(ran.peak < OF_JOB, "{hurt:?} {place:?}: {} MiB", ran.peak / MIB);
        assert_eq!(ran.code, Some(3), "{hurt:?} {place:?}: {}{}", ran.out, ran.said);
    }))
    .await;
    let ran = examined(Hurt::Endless, &["/api/v1/targets"]).await;
    let words = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    let told = "the active targets of prom: the answer has more than 100000 objects; it was not read";
    assert!(words.contains(told) || words.contains("longer than 4 MiB"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_without_end_are_read_to_an_end() {
    let ran = examined(Hurt::Pages, REST).await;
    // What can be used is kept, up to its bound, and copied where secrets are taken out.
    assert!(ran.peak < 6 * MOST, "{} MiB", ran.peak / MIB);
    assert_eq!(ran.code, Some(3), "{}{}", ran.out, ran.said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_in_a_job_survives_whatever_the_metrics_api_answers() {
    for hurt in [Hurt::Flood, Hurt::Endless, Hurt::Drip, Hurt::Names] {
        let folder = tempfile::tempdir().unwrap();
        let places = &["/apis/custom.metrics.k8s.io/", "/proxy/counts"];
        let server = Server::start(folder.path(), unbroken(), hurt, places).await;
        // Nobody listens there: what is loaded does not matter.
        let target = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", target.local_addr().unwrap());
        let load = ["--url", &url, "--stage", "1rps:6s", "--timeout", "1s", "--json"];
        let arguments = [&["run", "--skip-doctor", "--hpa", "shop/hpa"][..], &load].concat();
        let ran = run(&arguments, &[("KUBECONFIG", &server.kubeconfig)], PATIENCE).await;
        assert!(server.hurt() > 0, "{hurt:?}: nobody asked: {}", ran.said);
        println!("{hurt:?}: {} MiB", ran.peak / MIB);
        assert!(ran.peak < OF_JOB, "{hurt:?}: {} MiB", ran.peak / MIB);
        assert!(ran.code.is_some() && ran.out.contains(r#""entry":"end""#), "{hurt:?}: {}", ran.said);
    }
}
