//! Faults and load on demand, and that nobody gets them unasked.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use shopfront::endpoints::Endpoint;

use crate::ask;
use crate::support::{Server, Signal, eventually};

#[tokio::test]
async fn whatever_changes_or_loads_the_service_gets_403_unless_the_lab_is_on() {
    let mut server = Server::start(&[]).await;
    for endpoint in Endpoint::ALL.into_iter().filter(|endpoint| endpoint.needs_lab()) {
        let path = endpoint.path().replace("{ms}", "1").replace("{MiB}", "1");
        for method in ["GET", "POST", "PUT"] {
            let (status, document) = ask(&server, method, &path, "").await;
            assert_eq!(status, 403, "{method} {path}");
            let message = document["error"]["message"].as_str().unwrap();
            assert!(message.contains("--lab") && message.lines().count() == 1, "{message}");
        }
    }
    assert!(!server.has_ended());
    assert_eq!(ask(&server, "GET", "/readyz", "").await.0, 200);
    let by_variable = Server::start_with(&[], &[("SHOPFRONT_LAB", "true")]).await;
    assert_eq!(ask(&by_variable, "GET", "/burn/1", "").await.0, 200);
    let off = Server::start(&["--lab=false"]).await;
    assert_eq!(ask(&off, "GET", "/burn/1", "").await.0, 403);
}

/// A page in the browser of somebody who runs the service must not end it.
#[tokio::test]
async fn web_page_of_another_site_cannot_use_the_lab() {
    let mut server = Server::start(&["--lab"]).await;
    for site in ["cross-site", "same-site"] {
        for (path, body) in [("/panic", ""), ("/burn/1", ""), ("/readyz/disable", ""), ("/fault", "{\"status\":500}")] {
            for method in ["GET", "POST", "PUT"] {
                let method = http::Method::from_bytes(method.as_bytes()).unwrap();
                let request = reqwest::Client::new().request(method, server.url(path)).body(body);
                let response = request.header("sec-fetch-site", site).send().await.unwrap();
                assert_eq!(response.status(), 403, "{path}");
            }
        }
    }
    assert!(!server.has_ended());
    let own = reqwest::Client::new().get(server.url("/burn/1")).header("sec-fetch-site", "none");
    assert_eq!(own.send().await.unwrap().status(), 200);
}

/// Browsers send no `Sec-Fetch-Site` to an address that is neither localhost nor https.
#[tokio::test]
async fn web_page_of_another_site_is_known_without_fetch_metadata() {
    let server = Server::start(&["--lab"]).await;
    let browser = ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0.0.0 Safari/537.36");
    let own = format!("http://{}", server.address);
    let http2 = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    for client in [reqwest::Client::new(), http2] {
        for (method, path, body) in [
            ("POST", "/readyz/disable", ""),
            ("POST", "/readyz/disable", "body"),
            ("GET", "/burn/1", ""),
            ("PUT", "/fault", "{}"),
        ] {
            let sent = async |name: &str, value: &str| {
                let method = http::Method::from_bytes(method.as_bytes()).unwrap();
                let request = client.request(method, server.url(path)).body(body).header(name, value);
                let response = request.send().await.unwrap();
                (response.status().as_u16(), response.text().await.unwrap())
            };
            for (name, value) in [("origin", "http://evil.example"), ("origin", "null"), browser] {
                let (status, text) = sent(name, value).await;
                assert_eq!(status, 403, "{method} {path} with {name}: {value}");
                assert!(text.contains("curl"), "{text}");
            }
            assert_ne!(sent("origin", &own).await.0, 403, "{method} {path}");
        }
        assert_eq!(client.post(server.url("/readyz/enable")).send().await.unwrap().status(), 202);
    }
    assert_eq!(ask(&server, "GET", "/readyz", "").await.0, 200);
}

#[tokio::test]
async fn health_checks_of_load_balancers_get_no_fault() {
    let server = Server::start(&["--lab", "--random-error"]).await;
    assert_eq!(ask(&server, "PUT", "/fault", r#"{"status": 503}"#).await.0, 200);
    for user_agent in ["kube-probe/1.30", "ELB-HealthChecker/2.0", "GoogleHC/1.0"] {
        let client = reqwest::Client::builder().user_agent(user_agent).build().unwrap();
        for path in ["/", "/version", "/status/200"] {
            assert_eq!(client.get(server.url(path)).send().await.unwrap().status(), 200, "{user_agent} {path}");
        }
        let with_body = client.post(server.url("/status/200")).body("shop").send().await.unwrap();
        assert_eq!(with_body.status(), 200, "{user_agent}");
    }
    assert_eq!(ask(&server, "GET", "/", "").await.0, 503);
}

#[tokio::test]
async fn query_changes_no_answer_with_the_lab_or_without() {
    let long = format!("x={}", "a".repeat(140));
    let digits = "0".repeat(65);
    for flags in [&[][..], &["--lab"]] {
        let server = Server::start(flags).await;
        for (path, status) in [
            (format!("/status/200?{long}"), 200),
            (format!("/delay/1ms?{long}"), 200),
            (format!("/version?{long}"), 200),
            (format!("/delay/{digits}"), 400),
            (format!("/delay/{}", &digits[1..]), 200),
            (format!("/delay/{}", "0".repeat(1000)), 400),
        ] {
            assert_eq!(ask(&server, "GET", &path, "").await.0, status, "{flags:?} {path}");
        }
        assert_eq!(ask(&server, "POST", &format!("/status/200?{long}"), "body").await.0, 200, "{flags:?}");
    }
    let server = Server::start(&["--lab"]).await;
    assert_eq!(ask(&server, "GET", &format!("/allocate/1?for={}", "1ms".repeat(40)), "").await.0, 400);
}

#[tokio::test]
async fn delays_of_faults_take_a_place_to_wait() {
    let server = Server::start(&["--lab", "--request-timeout", "3s"]).await;
    assert_eq!(ask(&server, "PUT", "/fault", r#"{"delay": "2s"}"#).await.0, 200);
    let answers = join_all((0..300).map(|_| ask(&server, "GET", "/version", ""))).await;
    let count = |status| answers.iter().filter(|(answered, _)| *answered == status).count();
    assert_eq!(count(200) + count(503), 300);
    assert!(count(503) > 0 && count(200) >= 256, "{} and {}", count(200), count(503));
    // Each delay is short enough, and both together are not.
    let (status, document) = ask(&server, "GET", "/delay/2", "").await;
    assert_eq!(status, 408);
    let message = document["error"]["message"].as_str().unwrap();
    assert!(message.contains("--request-timeout") && !message.contains("faster"), "{message}");
}

#[tokio::test]
async fn fault_applies_to_its_share_until_it_ends() {
    let server = Server::start(&["--lab", "--request-timeout", "5s"]).await;
    let body = r#"{"share": 0.5, "status": 503, "for": "1m"}"#;
    let expected = json!({"share": 0.5, "status": 503, "delay": "0s", "spread": "0s", "for": "1m"});
    assert_eq!(ask(&server, "PUT", "/fault", body).await, (200, expected));
    let answers = join_all((0..200).map(|_| ask(&server, "GET", "/version", ""))).await;
    let failed = answers.iter().filter(|(status, _)| *status == 503).count();
    assert!((50..150).contains(&failed), "{failed} of 200 failed");
    assert_eq!(answers.iter().filter(|(status, _)| *status == 200).count(), 200 - failed);

    let slow = r#"{"delay": "300ms", "spread": "100ms"}"#;
    assert_eq!(ask(&server, "PUT", "/fault", slow).await.0, 200);
    let started = Instant::now();
    assert_eq!(ask(&server, "POST", "/echo", "late").await.0, 202);
    assert!(started.elapsed() >= Duration::from_millis(200), "{:?}", started.elapsed());
    assert_eq!(ask(&server, "PUT", "/fault", r#"{"status": 503, "for": "100ms"}"#).await.0, 200);
    eventually("the fault ends by itself", async || server.try_get("/version").await).await;
    for body in ["", "{}", "{\"status\": 200}", "{\"delay\": \"6s\"}", "{\"status\": 503, \"x\": 1}", "\u{0}"] {
        let (status, document) = ask(&server, "PUT", "/fault", body).await;
        assert_eq!(status, 400, "{body}");
        assert!(document["error"]["message"].as_str().unwrap().len() > 10, "{document}");
    }
}

#[tokio::test]
async fn burn_and_work_use_cpu_time() {
    let server = Server::start(&["--lab", "--request-timeout", "1m"]).await;
    let spent = async |server: &Server| server.metric("process_cpu_seconds_total").await.unwrap();
    let before = spent(&server).await;
    assert_eq!(ask(&server, "GET", "/burn/300", "").await, (200, json!({"cpu_ms": 300})));
    assert!(spent(&server).await - before >= 0.29);
    for path in ["/burn/60001", "/burn/-1", "/burn/x", "/burn/1.5", "/burn/99999999999999999999"] {
        assert_eq!(ask(&server, "GET", path, "").await.0, 400, "{path}");
    }
    let working = Server::start(&["--work", "20ms", "--request-timeout", "1m"]).await;
    let before = spent(&working).await;
    for _ in 0..20 {
        assert_eq!(ask(&working, "GET", "/version", "").await.0, 200);
        assert_eq!(ask(&working, "GET", "/healthz", "").await.0, 200);
    }
    let used = spent(&working).await - before;
    assert!((0.39..0.75).contains(&used), "{used} s for 20 client requests; probes use none");
}

/// On HTTP/1, a client that has closed its sending side may still wait for its response.
#[tokio::test]
async fn burn_ends_when_its_client_leaves_on_http2_and_goes_on_without_it_on_http1() {
    let server = Server::start(&["--lab", "--request-timeout", "1m"]).await;
    let client = || reqwest::Client::builder().timeout(Duration::from_millis(200));
    let spent = async || server.metric("process_cpu_seconds_total").await.unwrap();
    let burn_has_ended = async || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
        let names = tasks.flatten().filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
        names.into_iter().all(|name| name.trim() != "burn").then_some(())
    };
    let before = spent().await;
    let http2 = client().http2_prior_knowledge().build().unwrap();
    assert!(http2.get(server.url("/burn/30000")).send().await.is_err());
    eventually("its thread has ended", burn_has_ended).await;
    assert!(spent().await - before < 25.0, "before its own end");

    let before = spent().await;
    assert!(client().build().unwrap().get(server.url("/burn/1500")).send().await.is_err());
    eventually("its thread has ended", burn_has_ended).await;
    assert!(spent().await - before >= 1.4, "{}", spent().await - before);
}

#[tokio::test]
async fn allocation_is_held_for_its_time_and_within_its_limit() {
    let server = Server::start(&["--lab", "--max-allocate-mib", "48"]).await;
    let before = server.resident_bytes();
    let (status, document) = ask(&server, "GET", "/allocate/40?for=1s", "").await;
    assert_eq!((status, document), (200, json!({"allocated_mib": 40, "held_mib": 40, "for": "1s"})));
    assert!(server.resident_bytes() > before + (38 << 20));
    let refused = reqwest::get(server.url("/allocate/9")).await.unwrap();
    assert!(refused.headers().contains_key("retry-after"), "{:?}", refused.headers());
    assert_eq!(refused.status(), 503);
    let document: serde_json::Value = refused.json().await.unwrap();
    assert!(document["error"]["message"].as_str().unwrap().contains("--max-allocate-mib"), "{document}");
    eventually("it is released", async || (server.resident_bytes() < before + (10 << 20)).then_some(())).await;
    assert_eq!(ask(&server, "GET", "/allocate/9?for=1ms", "").await.0, 200);
    for path in ["/allocate/0", "/allocate/x", "/allocate/1?for=x", "/allocate/1?for=2h", "/allocate/1?time=1s"] {
        assert_eq!(ask(&server, "GET", path, "").await.0, 400, "{path}");
    }
}

#[tokio::test]
async fn clients_that_leave_while_their_memory_is_filled_do_not_exceed_the_limit() {
    let server = Server::start(&["--lab", "--max-allocate-mib", "64"]).await;
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    assert_eq!(client.get(server.url("/version")).send().await.unwrap().status(), 200);
    let before = server.resident_bytes();
    for _ in 0..6 {
        let request = client.get(server.url("/allocate/60?for=1ms")).timeout(Duration::from_millis(4));
        // It leaves, or is refused.
        let _ = request.send().await;
    }
    eventually("the memory is free again", async || {
        (ask(&server, "GET", "/allocate/60?for=1ms", "").await.0 == 200).then_some(())
    })
    .await;
    let peak = server.peak_bytes();
    assert!(peak < before + (80 << 20), "from {before} to {peak} bytes");
}

#[tokio::test]
async fn ready_after_delays_readiness_alone() {
    let server = Server::start(&["--ready-after", "24h", "--lab"]).await;
    assert_eq!(ask(&server, "GET", "/", "").await.0, 200);
    assert_eq!(ask(&server, "GET", "/healthz", "").await.0, 200);
    assert_eq!(ask(&server, "GET", "/readyz", "").await.0, 503);
    assert_eq!(ask(&server, "POST", "/readyz/enable", "").await.0, 202);
    assert_eq!(ask(&server, "GET", "/readyz", "").await.0, 200);
    let soon = Server::start(&["--ready-after", "1s"]).await;
    eventually("it becomes ready by itself", async || soon.try_get("/readyz").await).await;
}

#[tokio::test]
async fn random_errors_and_delays_spare_probes() {
    let server = Server::start(&["--random-error"]).await;
    let answers = join_all((0..300).map(|_| ask(&server, "GET", "/version", ""))).await;
    for status in [200, 400, 409, 500] {
        assert!(answers.iter().any(|(answered, _)| *answered == status), "none of 300 is {status}");
    }
    assert!(answers.iter().all(|(status, _)| [200, 400, 409, 500].contains(status)));
    let probes = join_all((0..50).map(|_| ask(&server, "GET", "/readyz", ""))).await;
    assert!(probes.iter().all(|(status, _)| *status == 200));

    let slow = Server::start(&["--random-delay", "--request-timeout", "400ms"]).await;
    let started = Instant::now();
    let answers = join_all((0..50).map(|_| ask(&slow, "GET", "/version", ""))).await;
    assert!(answers.iter().all(|(status, _)| *status == 200), "no delay is longer than the request timeout");
    assert!(started.elapsed() > Duration::from_millis(100), "{:?}", started.elapsed());
}

/// Requests that burn, allocate and wait, from many clients at once, while probes go on at both addresses.
#[tokio::test]
async fn flood_of_lab_requests_leaves_probes_answering_within_100_ms() {
    let mut server = Server::start(&["--lab", "--drain-delay", "0s", "--shutdown-timeout", "10s"]).await;
    let client = reqwest::Client::new();
    let flood: Vec<_> = (0..400)
        .map(|turn| {
            let path = ["/burn/2000", "/allocate/1?for=2s", "/delay/5", "/chunked/5"][turn % 4];
            let (client, url) = (client.clone(), server.url(path));
            tokio::spawn(async move { client.get(url).send().await.map(|response| response.status().as_u16()) })
        })
        .collect();
    eventually("CPU time is burned", async || (server.metric("process_cpu_seconds_total").await? > 0.3).then_some(()))
        .await;
    let probe = reqwest::Client::new();
    for url in [server.url("/healthz"), format!("http://{}/healthz", server.ops_address)] {
        let mut times = Vec::new();
        for _ in 0..21 {
            let started = Instant::now();
            assert_eq!(probe.get(&url).send().await.unwrap().status(), 200);
            times.push(started.elapsed());
        }
        times.sort();
        // The client shares the processors with the flood, so its slowest turns are its own.
        assert!(times[times.len() / 2] < Duration::from_millis(100), "{url}: {times:?}");
    }
    server.signal(Signal::TERM);
    assert!(server.ended().await.success());
    for answered in flood {
        // Those that found no room were told so. A burn in progress may be cut off by the end of the process.
        if let Ok(status) = answered.await.unwrap() {
            assert!([200, 408, 503].contains(&status), "{status}");
        }
    }
}
