//! `/metrics`, checked with promtool and a real Prometheus.

mod support;

use std::collections::BTreeSet;
use std::process::Stdio;

use serde_json::Value;
use support::{Server, eventually, program};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Child;

const ROOT: &str = r#"http_requests_total{method="GET",path="root",status="200"}"#;

fn series(text: &str) -> BTreeSet<&str> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').expect("a sample has a value").0).collect()
}

/// The requests to an idle pod: scrapes and probes. A second scrape counts the first.
async fn idle(server: &Server) -> String {
    for path in ["/metrics", "/healthz", "/readyz", "/metrics"] {
        server.get(path).await;
    }
    server.scrape().await
}

#[tokio::test]
async fn promtool_reports_no_problem() {
    let server = Server::start(&[]).await;
    server.get("/").await;
    server.get("/nowhere").await;
    let mut promtool = program("promtool", "prometheus");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.spawn().unwrap();
    promtool.stdin.take().unwrap().write_all(idle(&server).await.as_bytes()).await.unwrap();
    let output = promtool.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty() && output.stdout.is_empty(), "{said}");
}

#[tokio::test]
async fn idle_pod_counts_no_request_and_exposes_few_series() {
    let server = Server::start(&[]).await;
    let first = server.get("/metrics").await;
    assert!(first.contains(&format!("{ROOT} 0\n")), "the root series exists from the first scrape: {first}");
    let text = idle(&server).await;
    let counted: f64 = text
        .lines()
        .filter(|line| line.starts_with("http_requests_total{"))
        .map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap())
        .sum();
    assert!(counted.abs() < f64::EPSILON, "scrapes and probes are not client requests: {text}");
    for path in ["metrics", "healthz", "readyz"] {
        assert!(text.contains(&format!(r#"http_requests_count{{method="GET",path="{path}",status="200"}}"#)), "{text}");
    }
    let names = series(&text);
    assert!(names.len() <= 90, "{} series on an idle pod: {names:#?}", names.len());
}

#[tokio::test]
async fn public_metrics_are_rendered_once_a_second() {
    let server = Server::start(&[]).await;
    let counted = format!("{ROOT} 1\n");
    let asked = std::time::Instant::now();
    let before = server.get("/metrics").await;
    server.get("/").await;
    let (public, now) = (server.get("/metrics").await, server.scrape().await);
    assert!(now.contains(&counted), "the ops address has the latest: {now}");
    // A stalled machine may have let the second pass.
    assert!(public == before || asked.elapsed().as_millis() > 900, "rendered again within a second: {public}");
    eventually("the request is shown", async || server.get("/metrics").await.contains(&counted).then_some(())).await;
}

#[tokio::test]
async fn public_metrics_false_leaves_metrics_to_the_ops_address() {
    let server = Server::start(&["--public-metrics", "false"]).await;
    let answer = reqwest::get(server.url("/metrics")).await.unwrap();
    assert_eq!(answer.status(), 404);
    assert!(answer.text().await.unwrap().contains("--ops-address"));
    assert!(server.scrape().await.contains(&format!("{ROOT} 0\n")));
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/", 404), ("/version", 404), ("/activity", 404)] {
        let answer = reqwest::get(format!("http://{}{path}", server.ops_address)).await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
    }
}

#[tokio::test]
async fn metrics_have_the_names_of_the_reference() {
    let server = Server::start(&[]).await;
    server.get("/").await;
    let text = server.scrape().await;
    for line in [
        "# HELP http_requests_total The total number of HTTP requests.",
        "# TYPE http_requests_total counter",
        "# HELP http_requests Seconds spent serving HTTP requests.",
        "# TYPE http_requests histogram",
        "# TYPE process_cpu_seconds_total counter",
        "# TYPE process_max_fds gauge",
        "# TYPE process_open_fds gauge",
        "# TYPE process_resident_memory_bytes gauge",
        "# TYPE process_start_time_seconds gauge",
        "# TYPE process_virtual_memory_bytes gauge",
        "# TYPE tokio_alive_tasks gauge",
        "# TYPE shopfront_build_info gauge",
    ] {
        assert!(text.lines().any(|known| known == line), "no {line:?} in {text}");
    }
    let bounds: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with(r#"http_requests_bucket{method="GET",path="root",status="200",le=""#))
        .map(|line| line.split("le=\"").nth(1).unwrap().split('"').next().unwrap())
        .collect();
    assert_eq!(bounds, ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf"]);
}

#[tokio::test]
async fn process_metrics_match_the_kernel() {
    let server = Server::start(&[]).await;
    let value = async |name| server.metric(name).await.unwrap_or_else(|| panic!("no {name}"));
    #[expect(clippy::cast_precision_loss, reason = "bytes and descriptors stay far below 2^53")]
    let (resident, descriptors) = (server.resident_bytes() as f64, server.descriptors() as f64);
    let exposed = value("process_resident_memory_bytes").await;
    assert!((exposed / resident - 1.0).abs() < 0.25, "{exposed} exposed, {resident} in /proc");
    // The scrape adds its own connection, and the files that it reads.
    assert!((0.0..=8.0).contains(&(value("process_open_fds").await - descriptors)));
    assert!(value("process_max_fds").await >= descriptors);
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!((0.0..=support::PATIENCE.as_secs_f64()).contains(&(now - value("process_start_time_seconds").await)));
    let spent = value("process_cpu_seconds_total").await;
    eventually("CPU time is counted in less than whole seconds", async || {
        for _ in 0..100 {
            server.get("/").await;
        }
        let more = value("process_cpu_seconds_total").await;
        (more > spent && more.fract() > 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn unknown_path_is_counted_as_unmatched() {
    let server = Server::start(&[]).await;
    assert_eq!(server.metric(r#"http_requests_total{method="GET",path="unmatched",status="404"}"#).await, Some(0.0));
    server.get("/nowhere").await;
    assert_eq!(server.metric(r#"http_requests_total{method="GET",path="unmatched",status="404"}"#).await, Some(1.0));
}

/// A load balancer with five probers would else hold half of the autoscaler's target.
#[tokio::test]
async fn health_checks_on_client_endpoints_are_no_client_requests() {
    let client = |user_agent: &str| reqwest::Client::builder().user_agent(user_agent).build().unwrap();
    let server = Server::start(&[]).await;
    for user_agent in ["ELB-HealthChecker/2.0", "GoogleHC/1.0", "kube-probe/1.34"] {
        for path in ["/", "/version"] {
            assert_eq!(client(user_agent).get(server.url(path)).send().await.unwrap().status(), 200);
        }
    }
    assert_eq!(server.metric(ROOT).await, Some(0.0));
    assert_eq!(server.metric(r#"http_requests_count{method="GET",path="root",status="200"}"#).await, Some(3.0));
    for user_agent in ["curl/8", "not an ELB-HealthChecker/2.0", "elb-healthchecker/2.0"] {
        client(user_agent).get(server.url("/")).send().await.unwrap();
    }
    assert_eq!(server.metric(ROOT).await, Some(3.0));

    let own = Server::start(&["--probe-user-agents", "Prober/,Other"]).await;
    for user_agent in ["Prober/1", "Others", "kube-probe/1.34"] {
        client(user_agent).get(own.url("/")).send().await.unwrap();
    }
    assert_eq!(own.metric(ROOT).await, Some(1.0));
}

#[tokio::test]
async fn random_paths_and_methods_add_no_series() {
    let server = Server::start(&[]).await;
    let client = reqwest::Client::new();
    let before = idle(&server).await;
    for turn in 0..500 {
        let path = server.url(&format!("/{turn:x}/{}?{turn}", turn * 7919));
        let method = match turn % 5 {
            0 => http::Method::GET,
            1 => http::Method::POST,
            2 => http::Method::from_bytes(format!("M{turn}").as_bytes()).unwrap(),
            3 => http::Method::OPTIONS,
            _ => http::Method::HEAD,
        };
        assert_eq!(client.request(method, path).send().await.unwrap().status(), 404);
        let refused = client.request(http::Method::from_bytes(format!("M{turn}").as_bytes()).unwrap(), server.url("/"));
        assert_eq!(refused.send().await.unwrap().status(), 405);
    }
    let after = server.scrape().await;
    assert_eq!(series(&before), series(&after));
    // Requests that are rejected for their size are only in the counter: a series for each method and status.
    for (method, path) in [("GET", "/"), ("POST", "/metrics"), ("PUT", "/healthz"), ("GET", "/version")] {
        let method = http::Method::from_bytes(method.as_bytes()).unwrap();
        let big = client.request(method.clone(), server.url(path)).body(vec![0; 70_000]);
        assert_eq!(big.send().await.unwrap().status(), 413);
        let long = client.request(method, server.url(&format!("{path}?{}", "x".repeat(3000))));
        assert_eq!(long.send().await.unwrap().status(), 414);
    }
    let refused = server.scrape().await;
    assert_eq!(series(&refused).len(), series(&after).len() + 6);
    let others = r#"http_requests_total{method="OTHER",path="unmatched",status="404"} 200"#;
    assert!(after.lines().any(|line| line == others), "{after}");
    assert!(after.contains("http_requests_total{method=\"OTHER\",path=\"unmatched\",status=\"405\"} 500\n"), "{after}");
}

#[tokio::test]
async fn disconnected_client_is_counted() {
    let server = Server::start(&[]).await;
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    // It sends the whole head, so the request is in flight, and its body never ends.
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 8\r\n\r\n1").await.unwrap();
    eventually("the request is under way", async || {
        (server.metric("http_open_connections").await? > 0.0).then_some(())
    })
    .await;
    drop(stream);
    eventually("the broken request is counted", async || {
        let text = server.scrape().await;
        ["400", "499"]
            .iter()
            .any(|status| text.contains(&format!("{{method=\"GET\",path=\"unmatched\",status=\"{status}\"}} 1\n")))
            .then_some(())
    })
    .await;
}

/// A real Prometheus that scrapes one service each second.
struct Prometheus {
    url: String,
    _child: Child,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    async fn scraping(server: &Server) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "global: {{scrape_interval: 1s}}\n\
             scrape_configs: [{{job_name: shopfront, static_configs: [{{targets: ['{}']}}]}}]\n",
            server.address
        );
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let mut command = program("prometheus", "prometheus");
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--log.format=json"])
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        // The web server's second log line about its address contains the port that the kernel picked.
        let port = loop {
            let line = log.next_line().await.unwrap().expect("Prometheus starts and says where it listens");
            let line: Value = serde_json::from_str(&line).unwrap();
            let address = line["address"].as_str().unwrap_or_default();
            match address.strip_prefix("127.0.0.1:") {
                Some(port) if port != "0" => break port.to_owned(),
                _ => {}
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Self { url: format!("http://127.0.0.1:{port}"), _child: child, _folder: folder }
    }

    /// The value of an expression that has one, now.
    async fn query(&self, expression: &str) -> Option<f64> {
        let form = [("query", expression)];
        let url = reqwest::Url::parse_with_params(&format!("{}/api/v1/query", self.url), form).unwrap();
        let answer: Value = reqwest::get(url).await.ok()?.json().await.ok()?;
        answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }
}

#[tokio::test]
async fn prometheus_scrapes_and_queries_the_metrics() {
    let server = Server::start(&[]).await;
    let prometheus = Prometheus::scraping(&server).await;
    eventually("the target is up", async || (prometheus.query("up").await? > 0.0).then_some(())).await;
    // After three scrapes, there is a rate. It is 0, although Prometheus itself sends a request each second.
    eventually("three scrapes", async || {
        let scrapes = prometheus.query(r#"http_requests_count{path="metrics"}"#).await?;
        (scrapes >= 3.0).then_some(())
    })
    .await;
    assert_eq!(prometheus.query("sum(rate(http_requests_total[1m]))").await, Some(0.0));

    for _ in 0..30 {
        server.get("/").await;
    }
    server.get("/nowhere").await;
    let counted = eventually("the requests have been scraped", async || {
        prometheus.query("sum(http_requests_total)").await.filter(|sum| *sum >= 31.0)
    })
    .await;
    assert!((counted - 31.0).abs() < f64::EPSILON, "{counted}");
    assert_eq!(prometheus.query(r#"http_requests_total{path="root",status="200",method="GET"}"#).await, Some(30.0));
    assert!(prometheus.query("sum(rate(http_requests_total[1m]))").await.unwrap() > 0.0);
    let median = r#"histogram_quantile(0.5, sum by (le) (http_requests_bucket{path="root"}))"#;
    assert!(prometheus.query(median).await.unwrap() <= 0.005);
    assert_eq!(prometheus.query("count(shopfront_build_info)").await, Some(1.0));
}
