//! The page, in a headless Chromium.

mod support;

use std::process::Stdio;

use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};
use support::{Server, Signal, eventually, program};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

/// A headless Chromium, its driver and its profile.
struct Browser {
    page: Client,
    _driver: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    async fn open(url: &str) -> Self {
        let mut driver = program("chromedriver", "chromium-driver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts");
        let mut log = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = loop {
            let line = log.next_line().await.unwrap().expect("chromedriver says on which port it listens");
            if let Some(port) = line.strip_prefix("ChromeDriver was started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });

        let profile = tempfile::tempdir().unwrap();
        let profile_flag = format!("--user-data-dir={}", profile.path().display());
        // Chromium's sandbox needs privileges that containers and root do not have, and the page is trusted. The other flags
        // prevent requests to Chromium's own services.
        let flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            &profile_flag,
        ];
        let options = json!({"args": flags});
        let Value::Object(capabilities) =
            json!({"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}})
        else {
            unreachable!("it is written as an object")
        };
        let page = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("Chromium starts: on Debian, apt-get install chromium; ./tests/run does it");
        page.goto(url).await.expect("the page loads");
        Self { page, _driver: driver, _profile: profile }
    }

    async fn text(&self, css: &str) -> String {
        let element = self.page.find(Locator::Css(css)).await.unwrap_or_else(|_| panic!("the page has no {css}"));
        element.text().await.expect("the element can be read")
    }

    async fn script(&self, script: &str) -> Value {
        self.page.execute(script, vec![]).await.expect("the script runs")
    }

    async fn close(self) {
        self.page.close().await.expect("the browser ends");
    }
}

#[tokio::test]
async fn page_shows_the_pod_and_updates_its_numbers() {
    let server = Server::start(&[]).await;
    let browser = Browser::open(&server.url("/")).await;

    let hostname = hostname::get().unwrap().to_string_lossy().into_owned();
    assert_eq!(browser.text("#hostname").await, hostname);
    let page = browser.text("body").await;
    for fact in ["rustc ", "HOME", "/home/shop", "REPLICA_SET"] {
        assert!(page.contains(fact), "no {fact} in {page}");
    }
    let number = async |css: &str| browser.text(css).await.replace([',', '\u{202f}', '\u{a0}'], "").parse::<f64>().ok();
    // The page itself is the only request so far. Its polls do not count.
    eventually("the total is the page's own load", async || (number("#total").await? < 2.0).then_some(())).await;
    let shape = "return document.querySelector('#sparkline').innerHTML";
    let quiet = browser.script(shape).await;

    for _ in 0..50 {
        server.get("/").await;
    }
    eventually("the total moves", async || (number("#total").await? >= 51.0).then_some(())).await;
    eventually("the sparkline moves", async || (browser.script(shape).await != quiet).then_some(())).await;
    let mut busy = tokio::time::interval(std::time::Duration::from_millis(20));
    eventually("the rate rises", async || {
        for _ in 0..10 {
            busy.tick().await;
            server.get("/").await;
        }
        (number("#rate").await? > 2.0).then_some(())
    })
    .await;
    browser.close().await;
}

#[tokio::test]
async fn page_loads_nothing_external_and_keeps_its_policy() {
    let server = Server::start(&[]).await;
    let browser = Browser::open(&server.url("/")).await;
    let polled = "return performance.getEntriesByType('resource').map(entry => entry.name)";
    let resources = eventually("the page has polled", async || {
        let resources = browser.script(polled).await;
        (!resources.as_array()?.is_empty()).then_some(resources)
    })
    .await;
    for resource in resources.as_array().unwrap() {
        assert_eq!(resource, &server.url("/activity"));
    }
    // The policy must not block the style.
    let styled =
        browser.script("return document.styleSheets.length > 0 && document.styleSheets[0].cssRules.length").await;
    assert!(styled.as_u64().unwrap_or_default() > 5, "{styled}");
    browser.close().await;
}

#[tokio::test]
async fn page_polls_below_the_prefix() {
    let server = Server::start(&["--url-prefix", "/shop"]).await;
    for path in ["/shop", "/shop/"] {
        let browser = Browser::open(&server.url(path)).await;
        eventually("the page is live", async || (browser.text("#status").await == "live").then_some(())).await;
        assert!(browser.text("footer").await.contains(&format!("curl {}", server.url("/shop/"))));
        browser.close().await;
    }
}

#[tokio::test]
async fn page_reports_an_unreachable_service() {
    let mut server = Server::start(&["--drain-delay", "0s"]).await;
    let browser = Browser::open(&server.url("/")).await;
    eventually("the page has polled", async || (!browser.text("#total").await.is_empty()).then_some(())).await;
    server.signal(Signal::TERM);
    assert!(server.ended().await.success());
    eventually("the page says so", async || browser.text("#status").await.contains("not answering").then_some(()))
        .await;
    browser.close().await;
}
