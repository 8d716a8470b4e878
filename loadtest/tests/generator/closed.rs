//! A closed loop of clients.

use std::collections::BTreeSet;

use loadtest::generator::Settings;
use loadtest::journal::{Clients, UNLIMITED};

use crate::stalls::{text, that_keeps_up};
use crate::target::{Reply, Target, document};
use crate::{Outcome, run, settings};

/// A closed loop of so many clients for half a second.
fn closed(target: &Target, count: u32, think_time: f64, requests_per_connection: u64) -> Settings {
    let clients = Some(Clients { count, think_time });
    Settings { clients, requests_per_connection, ..settings(&format!("{}{{{{counter}}}}", target.url()), "0:500ms") }
}

/// All that was offered was sent, each request ended, and no delay in sending is reported.
fn assert_is_closed(outcome: &Outcome) {
    let total = &outcome.total;
    assert_eq!((total.due, total.dropped, total.lateness.count()), (total.sent, 0, 0));
    assert_eq!(total.sent, total.answered() + total.unanswered());
    assert_eq!(total.latency.count(), total.answered());
    assert!(outcome.end.at >= 0.5 && !outcome.end.interrupted, "{:?}", outcome.end);
}

#[tokio::test]
async fn each_client_keeps_its_own_connection_and_sends_one_request_at_a_time() {
    let target = Target::friendly().await;
    for threads in [1, 2, 7] {
        let before = target.heads().len();
        let outcome = run(Settings { threads, ..closed(&target, 3, 0.0, UNLIMITED) }).await;
        assert_is_closed(&outcome);
        let heads = target.heads()[before..].to_vec();
        assert_eq!((heads.len(), outcome.total.connections), (3, 3), "{threads} threads");
        assert_eq!(heads.iter().map(Vec::len).sum::<usize>() as u64, outcome.total.answered());
        let paths: BTreeSet<&str> = heads.iter().flatten().map(|head| head.split(' ').nth(1).unwrap()).collect();
        assert_eq!(paths.len() as u64, outcome.total.sent, "each number once");
    }
}

#[tokio::test]
async fn connections_are_reused_as_often_as_asked() {
    let target = Target::friendly().await;
    for each in [1, 4] {
        let before = target.heads().len();
        let outcome = run(closed(&target, 2, 0.0, each)).await;
        assert_is_closed(&outcome);
        let heads = &target.heads()[before..];
        assert!(heads.iter().all(|heads| heads.len() as u64 <= each));
        // Only the last connection of each client may have had fewer.
        assert_eq!(heads.len() as u64, outcome.total.connections);
        assert!(heads.iter().filter(|heads| (heads.len() as u64) < each).count() <= 2);
    }
}

#[tokio::test]
async fn a_client_waits_for_its_answer_and_then_thinks() {
    let silent = Target::start(|_| Reply::Stall).await;
    let mut load = async |timeout| run(Settings { timeout, ..closed(&silent, 5, 0.0, UNLIMITED) }).await;
    let (outcome, timeout) = that_keeps_up(&mut load, |outcome| outcome.failures().len() == 1).await;
    assert_is_closed(&outcome);
    let cause = format!("no answer in {}", text(timeout));
    assert_eq!(outcome.failures(), [(cause.as_str(), 5)], "a slow target slows the load");
    let target = Target::friendly().await;
    let outcome = run(closed(&target, 4, 3_600.0, UNLIMITED)).await;
    assert_is_closed(&outcome);
    assert_eq!(outcome.total.answered(), 4, "and a client that thinks is not waited for");
}

#[tokio::test]
async fn clients_whose_requests_fail_at_once_take_turns() {
    let outcome = run(Settings {
        clients: Some(Clients { count: 3, think_time: 0.0 }),
        ..settings("http://no-such-host.invalid/", "0:500ms")
    })
    .await;
    assert_is_closed(&outcome);
    assert_eq!(outcome.failures().len(), 1, "{:?}", outcome.failures());
    let target = Target::start(|_| Reply::Answer(document(503, "web-1"))).await;
    assert!(run(closed(&target, 1, 0.0, 1)).await.total.statuses[&503] > 1);
}

#[tokio::test]
async fn http2_has_a_connection_for_each_client() {
    let url = format!("http://{}/", crate::target::shopfront());
    let clients = Some(Clients { count: 3, think_time: 0.0 });
    let load = Settings { clients, http2: true, requests_per_connection: UNLIMITED, ..settings(&url, "0:500ms") };
    let outcome = run(load).await;
    assert_is_closed(&outcome);
    assert_eq!((outcome.total.connections, outcome.total.unanswered()), (3, 0), "{:?}", outcome.failures());
}
