//! A headless Chromium behind its driver, both with a profile and a port of their own.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

pub struct Browser {
    pub page: Client,
    /// Where the driver listens.
    driver: String,
    session: String,
    _driver: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Opens a file in a window of this size, light or dark.
    pub async fn open(file: &Path, (width, height): (u32, u32), dark: bool) -> Self {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver starts: on Debian, apt-get install chromium-driver; ./tests/run does it");
        let mut log = BufReader::new(driver.stdout.take().expect("its output is piped")).lines();
        let port = loop {
            let line = log.next_line().await.expect("text").expect("chromedriver says on which port it listens");
            if let Some(port) = line.strip_prefix("ChromeDriver was started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });

        let profile = tempfile::tempdir().expect("a folder");
        // Chromium's own sandbox needs privileges that containers and root do not have; the page is our own. The
        // other flags keep the browser from calling home.
        let flags = [
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            format!("--blink-settings=preferredColorScheme={}", u8::from(!dark)),
            format!("--window-size={width},{height}"),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let mut capabilities = Capabilities::new();
        capabilities.insert("goog:chromeOptions".to_owned(), json!({"args": flags}));
        capabilities.insert("goog:loggingPrefs".to_owned(), json!({"browser": "ALL", "performance": "ALL"}));
        let driver_address = format!("127.0.0.1:{port}");
        let page = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://{driver_address}"))
            .await
            .expect("Chromium starts: on Debian, apt-get install chromium; ./tests/run does it");
        let session = page.session_id().await.expect("a driver that answers").expect("a session");
        let browser = Self { page, driver: driver_address, session, _driver: driver, _profile: profile };
        browser.page.goto(&format!("file://{}", file.display())).await.expect("the page loads");
        browser
    }

    pub async fn script(&self, script: &str) -> Value {
        self.page.execute(script, vec![]).await.expect("the script runs")
    }

    /// What chromedriver logged: `browser` for the console, `performance` for, among others, the network.
    pub async fn log(&self, kind: &str) -> Vec<Value> {
        let answer = self.ask("se/log", &json!({"type": kind})).await;
        answer["value"].as_array().unwrap_or_else(|| panic!("{answer}")).clone()
    }

    /// Makes the window that of a phone: a browser's own is never as narrow.
    pub async fn be_a_phone(&self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 2, "mobile": true});
        self.ask("goog/cdp/execute", &json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": metrics})).await;
    }

    /// A request to chromedriver that its standard does not have.
    async fn ask(&self, path: &str, body: &Value) -> Value {
        let url = format!("http://{}/session/{}/{path}", self.driver, self.session);
        let body = body.to_string();
        let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
        let request = http::Request::post(url)
            .header("content-type", "application/json")
            .body(http_body_util::Full::new(bytes::Bytes::from(body)))
            .expect("a request");
        let answer = client.request(request).await.expect("chromedriver answers");
        let body = http_body_util::BodyExt::collect(answer.into_body()).await.expect("an answer").to_bytes();
        serde_json::from_slice(&body).expect("JSON")
    }
}

impl Drop for Browser {
    /// Ends the browser, also where a test fails: it would outlive its driver.
    fn drop(&mut self) {
        let end = || -> io::Result<()> {
            let mut driver = TcpStream::connect(&self.driver)?;
            driver.set_read_timeout(Some(Duration::from_secs(20)))?;
            let path = format!("/session/{}", self.session);
            write!(driver, "DELETE {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
            // It answers when the browser is gone.
            driver.read(&mut [0; 64]).map(|_| ())
        };
        if let Err(error) = end() {
            eprintln!("the browser may still run: {error}");
        }
    }
}
