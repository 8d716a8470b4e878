//! The real binary against a real nginx: what it says, writes and never tells.

use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;
use tokio::process::Command;

use crate::authority::{Authority, text};
use crate::nginx::Nginx;

async fn loadtest(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    command.env_remove("KUBERNETES_SERVICE_HOST").env("KUBECONFIG", "/nonexistent/kubeconfig");
    tokio::time::timeout(crate::PATIENCE, command.output()).await.expect("it ends").expect("it runs")
}

fn all_texts(folder: &Path) -> String {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files.filter(|path| path.is_file()).map(|path| text(&path)).collect()
}

#[tokio::test]
async fn a_run_over_tls_is_judged_and_no_secret_is_written() {
    let authority = Authority::new();
    let nginx = Nginx::start(&authority).await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("headers"), "# for the shop\nAuthorization: Bearer hush-hush\n\nX-Id: {{counter}}\n").unwrap();
    std::fs::write(path("body.json"), "{\"n\": {{counter}}}").unwrap();
    std::fs::write(
        path("targets"),
        "# weight method URL body\n3 GET /\n1 POST /cart?n={{random}} @body.json\n1 GET https://u:hush-hush@shop.example/own\n",
    )
    .unwrap();
    let (out, export, junit) = (path("report"), path("summary.json"), path("junit.xml"));
    let (url, place) = (format!("https://user:hush-hush@{}/", nginx.https), nginx.https.to_string());
    let (headers, targets) = (format!("@{}", path("headers")), path("targets"));
    let cacert = authority.certificate().display().to_string();
    let ran = loadtest(&[
        "run",
        "--url",
        &url,
        "--stage",
        "50rps:1s",
        "--stage",
        "100rps:1s",
        "--cacert",
        &cacert,
        "--header",
        &headers,
        "--targets",
        &targets,
        "--connect-to",
        &place,
        "--threshold",
        "p(90)<50s",
        "--timeout",
        "60s",
        "--threshold",
        "failed{stage:2}<1%",
        "--threshold",
        "rate>=10",
        "--pod-header",
        "X-Pod",
        "--out",
        &out,
        "--summary-export",
        &export,
        "--junit",
        &junit,
    ])
    .await;
    let (printed, said) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_eq!(ran.status.code(), Some(0), "{printed}\n{said}");

    let logged = nginx.logged(150).await;
    let of = |start: &str| logged.iter().filter(|line| line.starts_with(start)).count();
    assert_eq!((logged.len(), of("POST "), of("GET shop.example/own ")), (150, 30, 30), "{logged:#?}");
    assert!(logged.iter().all(|line| line.contains("[Bearer hush-hush]")), "the header replaces that of the URL");

    let summary: Value = serde_json::from_str(&text(Path::new(&export))).unwrap();
    assert_eq!((&summary["totals"]["succeeded"], &summary["exitCode"]), (&150.into(), &0.into()), "{summary:#}");
    assert_eq!(summary["url"], format!("https://{}/", nginx.https));
    assert!(
        summary["handshakes"]["count"] == 150 && summary["totals"]["bytesIn"].as_u64() > Some(150 * 6),
        "{summary:#}"
    );
    let schema: Value =
        serde_json::from_str(&text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("summary.schema.json"))).unwrap();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&summary), "{summary:#}");
    let junit = text(Path::new(&junit));
    assert!(junit.contains("tests=\"5\" failures=\"0\" errors=\"0\""), "{junit}");
    assert!(junit.contains("name=\"Threshold p(90)&lt;50s\"/>"), "{junit}");
    let everything = format!("{printed}{said}{junit}{summary}{}", all_texts(Path::new(&out)));
    assert!(everything.contains("authorization") && !everything.contains("hush"), "a secret is written");
}

#[tokio::test]
async fn a_threshold_that_does_not_hold_fails_the_run_and_redirects_are_named() {
    let authority = Authority::new();
    let nginx = Nginx::start(&authority).await;
    let folder = tempfile::tempdir().unwrap();
    let junit = folder.path().join("junit.xml").display().to_string();
    let url = format!("http://{}/moved", nginx.http);
    let ran =
        loadtest(&["run", "--url", &url, "--stage", "50rps:1s", "--threshold", "failed<1%", "--junit", &junit]).await;
    let printed = String::from_utf8_lossy(&ran.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(ran.status.code(), Some(1), "{printed}");
    assert!(printed.contains("Threshold failed<1%") && printed.contains("https://shop.example/new"), "{printed}");
    assert!(!printed.contains("secret"), "{printed}");
    let junit = text(Path::new(&junit));
    assert!(junit.contains("<failure message=\"expected less than 1 %, observed 50 of 50 (100.00 %)\"/>"), "{junit}");
}
