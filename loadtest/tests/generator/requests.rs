//! Requests of the user's own: several by weight, and long bodies.

use loadtest::generator::{Request, Settings, Template};

use crate::target::{Reply, Target, document};
use crate::{run, settings};

#[tokio::test]
async fn an_answer_before_the_end_of_a_body_counts() {
    // Far more than the sockets hold, to a target that reads none of it.
    for reply in [Reply::Last(document(413, "web-1")), Reply::Half(document(413, "web-1"))] {
        let target = Target::start(move |_| reply.clone()).await;
        let request = Request {
            method: "POST".parse().unwrap(),
            body: Some(Template::new(&vec![b'x'; 12 << 20])),
            ..Request::get(target.url().parse().unwrap())
        };
        let outcome = run(Settings { requests: vec![request], ..settings(&target.url(), "10rps:500ms") }).await;
        outcome.assert_adds_up();
        assert_eq!(outcome.total.statuses, [(413, 5)].into(), "{:?} {:?}", outcome.failures(), outcome.events);
    }
}

#[tokio::test]
async fn threads_together_keep_the_weights() {
    let target = Target::friendly().await;
    let request =
        |path: &str, weight| Request { weight, ..Request::get(format!("{}{path}", target.url()).parse().unwrap()) };
    let requests = vec![request("a", 8), request("b", 1), request("c", 1)];
    let outcome = run(Settings { threads: 4, requests, ..settings(&target.url(), "20rps:1s") }).await;
    outcome.assert_adds_up();
    let heads = target.heads().concat();
    let of = |start: &str| heads.iter().filter(|head| head.starts_with(start)).count();
    assert_eq!((of("GET /a "), of("GET /b "), of("GET /c ")), (16, 2, 2));
}

#[tokio::test]
async fn bytes_are_counted_by_status_and_pod_and_requests_by_address() {
    let empty = "HTTP/1.1 204 x\r\n\r\n";
    let answers = [document(500, "web-1"), empty.to_owned(), document(200, "web-22")];
    let lengths = answers.clone().map(|answer| answer.len() as u64);
    let target = Target::start(move |before| match before % 4 {
        3 => Reply::Last(String::new()),
        other => Reply::Answer(answers[other].clone()),
    })
    .await;
    for requests_per_connection in [1, 3] {
        let before = target.heads().len();
        let load = Settings { requests_per_connection, ..settings(&target.url(), "40rps:500ms") };
        let outcome = run(load).await;
        outcome.assert_adds_up();
        let total = &outcome.total;
        let received = [500, 204, 200].map(|status| total.status_bytes[&status].received);
        assert_eq!(received, lengths.map(|length| 5 * length), "{:?}", total.statuses);
        assert_eq!(total.bytes_in, received.iter().sum::<u64>(), "nothing came without an answer");
        let sent: u64 = target.heads()[before..].iter().flatten().map(|head| head.len() as u64).sum();
        let answered: u64 = total.status_bytes.values().map(|bytes| bytes.sent).sum();
        assert_eq!(total.bytes_out, sent);
        assert!(answered < sent && answered >= sent / 20 * 14, "a quarter of {sent} had no answer: {answered}");
        assert_eq!(total.pod_bytes["web-1"], total.status_bytes[&500]);
        assert_eq!(total.pod_bytes["web-22"], total.status_bytes[&200]);
        assert_eq!(total.addresses, [(target.address.to_string(), 20)].into(), "with those that failed");
    }
    let refused = run(settings("http://127.0.0.1:1/", "50rps:200ms")).await;
    assert!(refused.total.addresses.is_empty() && refused.total.status_bytes.is_empty());
}
