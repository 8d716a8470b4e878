//! How a cluster is reached: through proxies, and with credential plugins, as kubectl does both; and that no credential is
//! ever printed.

#[path = "../support/chain.rs"]
mod chain;
mod proxy;
#[path = "../support/server.rs"]
mod server;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chain::chain;
use http::header::AUTHORIZATION;
use http::{Request, Response};
use hyper::body::{Bytes, Incoming};
use proxy::Proxy;
use serde_json::{Value, json};
use server::Server;
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_secs(100);

/// An API server, and the credentials that it was asked with.
struct Api {
    folder: tempfile::TempDir,
    server: Server,
    given: Arc<Mutex<Vec<Option<String>>>>,
}

impl Api {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (api, given) = (Arc::new(chain()), Arc::new(Mutex::new(Vec::new())));
        let noted = Arc::clone(&given);
        let server = Server::start(folder.path(), move |request: Request<Incoming>| {
            let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
            let header = request.headers().get(AUTHORIZATION).map(|header| header.to_str().unwrap().to_owned());
            noted.lock().unwrap().push(header);
            let (status, text) = api.respond(request.method().as_str(), &path);
            let answer = Response::builder().status(status).body(http_body_util::Full::new(Bytes::from(text)));
            async move { Ok(answer.unwrap()) }
        })
        .await;
        Self { folder, server, given }
    }

    /// Where it listens.
    fn place(&self) -> String {
        let server = self.config()["clusters"][0]["cluster"]["server"].as_str().unwrap().to_owned();
        server.strip_prefix("http://").unwrap().to_owned()
    }

    fn config(&self) -> Value {
        serde_json::from_slice(&std::fs::read(&self.server.kubeconfig).unwrap()).unwrap()
    }

    /// Changes the kubeconfig.
    fn with(&self, change: impl FnOnce(&mut Value)) {
        let mut config = self.config();
        change(&mut config);
        std::fs::write(&self.server.kubeconfig, config.to_string()).unwrap();
    }

    fn asked(&self) -> usize {
        self.given.lock().unwrap().len()
    }
}

/// What the doctor prints, and its exit code. An HPA that is not there is enough to see whether the API server was asked.
async fn doctor(kubeconfig: &Path, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loadtest"));
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
    command
        .args(["doctor", "shop/none"])
        .env("KUBECONFIG", kubeconfig)
        .envs(variables.iter().copied())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output()).await.expect("it ends").expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

/// So it says once it has asked the API server.
const ASKED: &str = "no HPA none in namespace shop (there: hpa)";

#[tokio::test]
async fn a_proxy_is_used_with_its_password_which_nobody_sees() {
    let api = Api::start().await;
    let proxy = Proxy::start(Some(api.place())).await;
    api.with(|config| config["clusters"][0]["cluster"]["server"] = json!("http://api.example:1234"));
    let url = format!("http://bob:hunter%32@{}", proxy.address);
    for (of_kubeconfig, variables) in [
        (None, vec![("HTTP_PROXY", url.as_str())]),
        (None, vec![("http_proxy", &url), ("NO_PROXY", "localhost,127.0.0.1,.other.example,")]),
        (Some(&url), vec![("HTTP_PROXY", "http://127.0.0.1:1"), ("NO_PROXY", "*")]),
    ] {
        api.with(|config| config["clusters"][0]["cluster"]["proxy-url"] = json!(of_kubeconfig));
        let before = proxy.asked().len();
        let (code, said) = doctor(&api.server.kubeconfig, &variables).await;
        assert!(code == Some(2) && said.contains(ASKED), "{variables:?}: {said}");
        let asked = proxy.asked().split_off(before);
        assert!(
            !asked.is_empty() && asked.iter().all(|head| head.starts_with("CONNECT api.example:1234 ")),
            "{asked:?}"
        );
        // bob:hunter2
        assert!(asked.iter().all(|head| head.contains("Basic Ym9iOmh1bnRlcjI=")), "{asked:?}");
        assert!(!said.contains("hunter"), "{said}");
    }
}

#[tokio::test]
async fn a_proxy_of_the_other_kind_is_used_too() {
    let api = Api::start().await;
    let proxy = Proxy::start_socks(api.place()).await;
    api.with(|config| {
        config["clusters"][0]["cluster"]["server"] = json!("http://api.example:1234");
        config["clusters"][0]["cluster"]["proxy-url"] = json!(format!("socks5://{}", proxy.address));
    });
    let (code, said) = doctor(&api.server.kubeconfig, &[]).await;
    assert!(code == Some(2) && said.contains(ASKED), "{said}");
    assert!(proxy.asked().iter().all(|host| host == "api.example"), "{:?}", proxy.asked());
}

#[tokio::test]
async fn where_no_proxy_names_the_server_or_it_is_on_this_machine_the_proxy_is_not_asked() {
    let api = Api::start().await;
    let proxy = Proxy::start(None).await;
    let url = format!("http://bob:hunter2@{}", proxy.address);
    let (code, said) = doctor(&api.server.kubeconfig, &[("HTTP_PROXY", &url), ("HTTPS_PROXY", &url)]).await;
    assert!(code == Some(2) && said.contains(ASKED), "{said}");
    // A name that nobody has: whoever asks the proxy for it gets another answer than whoever does not.
    api.with(|config| config["clusters"][0]["cluster"]["server"] = json!("http://api.invalid:1234"));
    let (code, said) = doctor(&api.server.kubeconfig, &[("HTTP_PROXY", &url), ("no_proxy", "other,INVALID")]).await;
    assert!(code == Some(3) && said.contains("api.invalid") && !said.contains("hunter"), "{said}");
    assert_eq!(proxy.asked().len(), 0);
    let (code, said) = doctor(&api.server.kubeconfig, &[("HTTP_PROXY", &url), ("no_proxy", "other")]).await;
    assert!(code == Some(3) && proxy.asked().len() == 1 && !said.contains("hunter"), "{said}");
}

#[tokio::test]
async fn no_credential_of_a_kubeconfig_or_a_variable_is_printed() {
    let api = Api::start().await;
    for url in ["ftp://bob:hunter2@proxy", "http://bob:hunter2@", "bob:hunter2@a b", "http://bob:hunter2@127.0.0.1:1"] {
        for server in ["https://api.invalid:6443", "http://api.invalid"] {
            api.with(|config| config["clusters"][0]["cluster"]["server"] = json!(server));
            let (code, said) = doctor(&api.server.kubeconfig, &[("HTTPS_PROXY", url), ("HTTP_PROXY", url)]).await;
            assert!(matches!(code, Some(2 | 3)) && said.lines().count() == 1, "{url}: {said}");
            assert!(!said.contains("hunter2"), "{url}: {said}");
        }
    }
    api.with(|config| {
        config["clusters"][0]["cluster"]["server"] = json!("http://bob:hunter2@127.0.0.1:1/x?token=hunter2");
    });
    let (code, said) = doctor(&api.server.kubeconfig, &[]).await;
    assert!(code == Some(3) && said.contains("http://127.0.0.1:1/x") && !said.contains("hunter2"), "{said}");
    std::fs::write(&api.server.kubeconfig, "users:\n- name: a\n  user: hunter2\n").unwrap();
    let (code, said) = doctor(&api.server.kubeconfig, &[]).await;
    assert!(code == Some(2) && !said.contains("hunter2"), "{said}");
}

/// A kubeconfig whose user is this plugin of a shell's.
fn plugin(api: &Api, script: &str) {
    let exec = json!({"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "interactiveMode": "IfAvailable",
                      "args": ["-c", script, "hunter2-argument"], "env": [{"name": "AWS_SECRET", "value": "hunter2"}]});
    api.with(|config| {
        config["users"] = json!([{"name": "me", "user": {"exec": exec}}]);
        config["contexts"][0]["context"]["user"] = json!("me");
    });
}

#[tokio::test]
async fn a_plugins_token_is_used_and_what_it_wrote_is_not_printed() {
    let api = Api::start().await;
    plugin(&api, r#"echo hunter2 >&2; echo '{"kind": "ExecCredential", "status": {"token": "'$AWS_SECRET'"}}'"#);
    let (code, said) = doctor(&api.server.kubeconfig, &[]).await;
    assert!(code == Some(2) && said.contains(ASKED) && !said.contains("hunter2"), "{said}");
    let given = api.given.lock().unwrap().clone();
    assert!(!given.is_empty() && given.iter().all(|header| header.as_deref() == Some("Bearer hunter2")), "{given:?}");
}

#[tokio::test]
async fn of_a_plugin_that_fails_the_name_and_the_code_are_told() {
    let api = Api::start().await;
    for (script, end) in [
        (r#"echo hunter2 >&2; echo '{"status": {"token": "hunter2'; exit 7"#, "ended with exit status: 7"),
        (r#"echo '{"status": {"token": "hunter2'"#, "gave no credential"),
        (r#"echo '{"status": {"token": "hunter2\n"}}' | tr -d '}'"#, "gave no credential"),
    ] {
        plugin(&api, script);
        let (code, said) = doctor(&api.server.kubeconfig, &[]).await;
        assert_eq!(code, Some(2), "{said}");
        let told = format!("loadtest: the kubeconfig cannot be used: the credential plugin sh {end}\n");
        assert_eq!(said, told);
    }
    assert_eq!(api.asked(), 0);
}

#[tokio::test]
async fn a_command_of_an_old_provider_is_not_run() {
    let api = Api::start().await;
    let made = api.folder.path().join("made");
    api.with(|config| {
        let provider = json!({"name": "gcp", "config": {"cmd-path": "touch", "cmd-args": made.to_str().unwrap()}});
        config["users"] = json!([{"name": "me", "user": {"auth-provider": provider}}]);
        config["contexts"][0]["context"]["user"] = json!("me");
    });
    let (code, said) = doctor(&api.server.kubeconfig, &[]).await;
    assert!(code == Some(2) && said.contains("auth-provider \"gcp\"") && !made.exists(), "{said}");
}
