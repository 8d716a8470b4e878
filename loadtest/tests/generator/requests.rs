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
