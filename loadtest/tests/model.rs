//! The prediction, the profile that is derived from an HPA, and the manifests that both are made of.

use std::path::{Path, PathBuf};

use loadtest::autoscaling::derive::hpa_profile;
use loadtest::autoscaling::hpa::{Behavior, Policy, Select, Unit, Version};
use loadtest::autoscaling::manifests::{Manifests, Probe, Workload};
use loadtest::autoscaling::predict::{Band, Pipeline, Predicted, Source, band, predict};
use loadtest::autoscaling::rate::Function;
use loadtest::autoscaling::{Autoscaler, manifests};
use loadtest::profile::Profile;

/// shopfront's own.
fn shopfront(source: Source) -> Autoscaler {
    let window = if source == Source::Pods { 120.0 } else { 60.0 };
    Autoscaler {
        name: "miztiik-automation-ns/shopfront-hpa".into(),
        scaled: "Deployment/shopfront-deploy".into(),
        metric: "http_requests_per_second".into(),
        target: 2.0,
        min: 1,
        max: 3,
        behavior: Behavior::default(),
        pipeline: Pipeline {
            scrape: 5.0,
            window,
            function: Function::Rate,
            relist: 60.0,
            sync: 15.0,
            startup: 1.0,
            source,
        },
        created: None,
        metrics: Vec::new(),
        kubernetes: Version::default(),
    }
}

fn profile(stages: &[&str]) -> Profile {
    Profile { stages: stages.iter().map(|stage| stage.parse().unwrap()).collect() }
}

/// When this many replicas are wanted for the first time.
fn first(moments: &[Predicted], replicas: u32) -> f64 {
    moments.iter().find(|moment| moment.wanted >= replicas).expect("it is wanted").at
}

/// When the band's earliest and latest case want this many.
fn between(band: &[Band], replicas: u32) -> (f64, f64) {
    let find = |wanted: fn(&Band) -> u32| band.iter().find(|band| wanted(band) >= replicas).unwrap().at;
    (find(|band| band.most), find(|band| band.least))
}

#[test]
fn ten_requests_a_second_want_a_second_pod_and_a_third() {
    let autoscaler = shopfront(Source::Pods);
    let load = profile(&["10rps:3m", "0:12m"]);
    let moments = predict(&load, &autoscaler, 1, 900.0);
    for moment in moments.iter().take(20) {
        println!("{moment:?}");
    }
    // The window has 2.2 on average after 26.4 s; a scrape and a look come on top.
    let (second, third) = (first(&moments, 2), first(&moments, 3));
    assert!((26.4..=46.4).contains(&second), "{second}");
    assert!((52.8..=72.8).contains(&third), "{third}");
    let back = moments.iter().rfind(|moment| moment.wanted > 1).unwrap().at;
    // The window has less than two pods' worth 120 s after the load at the latest, and 300 s of stabilisation follow.
    assert!((180.0 + 300.0..=180.0 + 120.0 + 300.0 + 15.0).contains(&back), "{back}");
    assert_eq!(moments.last().map(|moment| (moment.wanted, moment.ready, moment.value)), Some((1, 1, Some(0.0))));
    assert_eq!(moments.len(), 60 + 2, "a look each period, and two pods that became ready");

    let band = band(&load, &autoscaler, 1, 900.0);
    let (earliest, latest) = between(&band, 2);
    println!("second {earliest} to {latest}, third {:?}", between(&band, 3));
    assert!((24.0..=second).contains(&earliest) && (second..=47.0).contains(&latest), "{earliest} {latest}");
    let (earliest, latest) = between(&band, 3);
    assert!((50.0..=third).contains(&earliest) && (third..=80.0).contains(&latest), "{earliest} {latest}");
}

#[test]
fn a_look_may_come_just_before_or_after_the_one_it_remembers_is_too_old() {
    let latest_back = |seconds: f64| {
        let mut autoscaler = shopfront(Source::Pods);
        autoscaler.behavior.down.stabilization_seconds = seconds;
        let band = band(&profile(&["10rps:130s", "0:5m"]), &autoscaler, 1, 430.0);
        band.iter().rfind(|moment| moment.most > 1).expect("some case has more than one replica").at
    };
    // One period long, it holds one look's recommendation until the next in some cases, as a longer one always does.
    assert!((latest_back(15.0) - latest_back(20.0)).abs() < 2.0, "{} {}", latest_back(15.0), latest_back(20.0));
    assert!(latest_back(10.0) < latest_back(15.0) - 10.0, "{} {}", latest_back(10.0), latest_back(15.0));
}

#[test]
fn keda_s_sum_still_has_the_pods_that_went() {
    let moments = predict(&profile(&["10rps:3m", "0:12m"]), &shopfront(Source::External), 1, 900.0);
    // A window of a minute: 4.4 is there after 26.4 s.
    assert!((26.4..=46.4).contains(&first(&moments, 3)), "{moments:?}");
    assert_eq!(moments.last().map(|moment| moment.wanted), Some(1));
}

#[test]
fn load_within_the_tolerance_changes_nothing() {
    let moments = predict(&profile(&["2.19rps:20m"]), &shopfront(Source::Pods), 1, 1200.0);
    assert!(moments.iter().all(|moment| moment.wanted == 1), "{moments:?}");
    let value = moments.last().unwrap().value.unwrap();
    assert!((value - 2.19).abs() < 0.002, "{value}");
}

#[test]
fn a_prediction_is_as_much_work_at_any_rate() {
    for rate in ["10rps:20m", "1000000rps:20m", "0..1000000rps:20m"] {
        let autoscaler = Autoscaler { max: 10, ..shopfront(Source::Pods) };
        let moments = predict(&profile(&[rate]), &autoscaler, 1, 1200.0);
        let looks = moments.iter().filter(|moment| (moment.at - 7.5).rem_euclid(15.0) < 1e-6).count();
        assert_eq!((looks, moments.len() < looks + 10), (80, true), "{rate}");
    }
}

#[test]
fn the_derived_profile_asks_an_hpa_for_all_that_it_does() {
    let mut slow = Autoscaler { min: 2, max: 8, target: 100.0, ..shopfront(Source::External) };
    slow.behavior.written = true;
    slow.behavior.up.policies = vec![Policy { unit: Unit::Pods, value: 1, period_seconds: 60 }];
    slow.behavior.down.policies = vec![Policy { unit: Unit::Pods, value: 1, period_seconds: 60 }];
    slow.behavior.up.tolerance = 0.4;
    for autoscaler in [shopfront(Source::Pods), shopfront(Source::External), slow] {
        let profile = hpa_profile(&autoscaler);
        let stages: Vec<_> = profile.stages.iter().map(ToString::to_string).collect();
        println!("{stages:?}");
        assert_eq!(stages.len(), 5);
        let ends: Vec<_> = profile
            .stages
            .iter()
            .scan(0.0, |end, stage| {
                *end += stage.seconds;
                Some(*end)
            })
            .collect();
        let band = band(&profile, &autoscaler, autoscaler.min, profile.seconds());
        let at = |end: f64| band.iter().rfind(|band| band.at < end).unwrap();
        let (min, max) = (autoscaler.min, autoscaler.max);
        assert!(band.iter().filter(|band| band.at < ends[1]).all(|band| band.most == min), "just under must not scale");
        assert!(at(ends[2]).least > min, "just over scales: {:?}", at(ends[2]));
        assert_eq!(at(ends[3]).least, max, "enough for the maximum");
        assert_eq!(at(ends[4]).most, min, "and back");
        assert!(profile.stages[4].to > 0.0, "a request that scale-in loses would be noticed");
    }
}

#[test]
fn an_hpa_that_cannot_scale_has_a_profile_as_well() {
    let fixed = Autoscaler { max: 1, ..shopfront(Source::Pods) };
    assert_eq!(hpa_profile(&fixed).stages.len(), 3);
    let mut up_only = shopfront(Source::Pods);
    up_only.behavior.written = true;
    up_only.behavior.down.select = Select::Disabled;
    let stages = hpa_profile(&up_only).stages;
    assert_eq!((stages.len(), stages[4].seconds), (5, 450.0));
}

/// The folder of the repository's own manifests.
fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../k8s")
}

#[test]
fn the_repository_s_own_manifests_are_read() {
    let read = manifests::read(&[manifests()]).unwrap();
    assert_eq!(read.autoscaler, shopfront(Source::Pods));
    let workload = Workload {
        service: Some("shopfront-svc".into()),
        port: Some(80),
        readiness: Some(Probe {
            path: "/readyz".into(),
            delay: 0.0,
            period: 2.0,
            timeout: 1.0,
            successes: 1,
            failures: 3,
        }),
        pre_stop: 5.0,
        grace: 35.0,
    };
    assert_eq!(&read.workload, &workload);

    let keda = manifests::read(&[manifests(), manifests().join("keda")]).unwrap();
    let mut expected = shopfront(Source::External);
    expected.pipeline.relist = 0.0;
    expected.metric = "s0-prometheus".into();
    assert_eq!((keda.autoscaler, keda.workload), (expected, read.workload));
}

/// `k8s/ops` has Prometheus scrape the pods through a Service of its own, which no client is sent to.
#[test]
fn a_headless_service_for_scrapes_beside_the_clients_own_is_where_the_interval_is_read() {
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in [
        ("shopfront.yml", "shopfront.yml"),
        ("custom-metrics-config.yaml", "rules.yaml"),
        ("ops/service.yaml", "ops.yaml"),
    ] {
        std::fs::copy(manifests().join(from), folder.path().join(to)).unwrap();
    }
    let file = folder.path().join("shopfront.yml");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, monitor) = text.rsplit_once("---\n").unwrap();
    let monitor = monitor.replace("- port: web", "- port: ops").replace("interval: 5s", "interval: 7s");
    let monitor = monitor.replace("matchLabels:\n      app: shopfront", "matchLabels:\n      app: shopfront-ops");
    std::fs::write(&file, format!("{before}---\n{monitor}")).unwrap();
    let read = manifests::read(&[folder.path()]).unwrap();
    let Workload { service, port, .. } = read.workload;
    assert_eq!((service.as_deref(), port, read.autoscaler.pipeline.scrape), (Some("shopfront-svc"), Some(80), 7.0));
}

/// What reading the manifests comes to after an edit of one file.
fn edited(file: &str, from: &str, to: &str) -> Result<Manifests, String> {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(manifests()).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
    }
    let path = folder.path().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{file} has no {from:?}");
    std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    let read = manifests::read(&[folder.path()]);
    read.map_err(|error| {
        error
            .to_string()
            .replace(&format!("{}/", folder.path().display()), "")
            .replace(&folder.path().display().to_string(), "FOLDER")
    })
}

#[test]
fn what_a_user_edits_is_what_is_read() {
    let target = |to: &str| edited("shopfront.yml", "averageValue: \"2\"", to).map(|read| read.autoscaler.target);
    assert_eq!(
        ["averageValue: 500m", "averageValue: 3", "averageValue: 1k"].map(target),
        [Ok(0.5), Ok(3.0), Ok(1000.0)]
    );
    let behavior = "minReplicas: 1\n  behavior: {scaleDown: {stabilizationWindowSeconds: 60}}";
    let read = edited("shopfront.yml", "minReplicas: 1", behavior).unwrap().autoscaler.behavior;
    assert_eq!((read.written, read.down.stabilization_seconds), (true, 60.0));
    let silent = edited("shopfront.yml", "interval: 5s", "scheme: http").map(|read| read.autoscaler.pipeline.scrape);
    assert_eq!(silent, Ok(30.0));
    let patient = "timeoutSeconds: 4\n            failureThreshold: 5";
    let read = edited("shopfront.yml", "timeoutSeconds: 1", patient).unwrap().workload.readiness.unwrap();
    assert_eq!((read.failures, read.timeout), (5, 4.0));
    let window = edited("custom-metrics-config.yaml", "[2m]", "[1m30s]").map(|read| read.autoscaler.pipeline.window);
    assert_eq!(window, Ok(90.0));
}

#[test]
fn an_error_is_one_line_that_says_what_to_change() {
    for (file, from, to, expected) in [
        (
            "shopfront.yml",
            "averageValue: \"2\"",
            "averageValue: lots",
            "HPA: spec.metrics[0].pods.target.averageValue is \"lots\": make it a quantity above 0, such as \"2\" or \
             \"500m\"",
        ),
        ("shopfront.yml", "  maxReplicas: 3\n", "", "HPA: spec.maxReplicas is missing: make it a whole number"),
        (
            "shopfront.yml",
            "maxReplicas: 3",
            "maxReplicas: 0",
            "HPA: spec.maxReplicas is 0: make it 1 or more, and no less than spec.minReplicas, which is 1",
        ),
        (
            "shopfront.yml",
            "type: Pods",
            "type: Resource",
            "HPA: spec.metrics[0].resource is missing, and the metric's type is Resource: add it",
        ),
        (
            "shopfront.yml",
            "autoscaling/v2",
            "autoscaling/v2beta2",
            "HPA: apiVersion is \"autoscaling/v2beta2\": make it autoscaling/v2: the versions before it cannot name such \
             a metric, or are gone",
        ),
        (
            "shopfront.yml",
            "minReplicas: 1",
            "minReplicas: 1\n  behavior: {scaleUp: {selectPolicy: Most}}",
            "HPA: spec.behavior.scaleUp.selectPolicy is \"Most\": make it Max, Min or Disabled",
        ),
        (
            "shopfront.yml",
            "    name: shopfront-deploy\n  minReplicas",
            "    name: shop\n  minReplicas",
            "FOLDER: no Deployment named shop: add it, or name its file or folder with another --manifests",
        ),
        (
            "shopfront.yml",
            "interval: 5s",
            "interval: 5",
            "MONITOR: spec.endpoints[0].interval is 5: make it a duration, such as 5s",
        ),
        (
            "shopfront.yml",
            "interval: 5s",
            "interval: 90s",
            "MONITOR: spec.endpoints are scraped every 90 s, and rate() looks 120 s back, which is not two scrapes: make \
             the window four intervals long, or longer",
        ),
        (
            "shopfront.yml",
            "port: web\n      path: /metrics",
            "port: http\n      path: /metrics",
            "MONITOR: spec.endpoints has none with port \"web\", as Service shopfront-svc calls it: add it",
        ),
        (
            "custom-metrics-config.yaml",
            "[2m]",
            "",
            "custom-metrics-config.yaml: ConfigMap adapter-config: data[\"config.yaml\"]: metricsQuery of the rule for \
             http_requests_per_second is \"sum(rate(<<.Series>>{<<.LabelMatchers>>})) by (<<.GroupBy>>)\": make it a \
             query with a rate() over a window, such as rate(x[2m])",
        ),
        (
            "custom-metrics-config.yaml",
            "_per_second",
            "_rate",
            "no ConfigMap has an adapter rule for pods that makes http_requests_per_second: add one, or correct the \
             metric's name in the HPA",
        ),
    ] {
        let error = edited(file, from, to).unwrap_err();
        let expected = expected
            .replace("HPA: ", "shopfront.yml: HorizontalPodAutoscaler shopfront-hpa: ")
            .replace("MONITOR: ", "shopfront.yml: ServiceMonitor shopfront-monitor: ");
        assert_eq!(error, expected);
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    let broken = edited("shopfront.yml", "kind: Service\n", "kind: [\n").unwrap_err();
    assert!(
        broken.starts_with("shopfront.yml: not YAML that can be read: ") && broken.lines().count() == 1,
        "{broken}"
    );
    let nowhere = manifests::read(&[Path::new("/nowhere")]).unwrap_err().to_string();
    assert_eq!(
        nowhere,
        "/nowhere: No such file or directory (os error 2): --manifests takes files and folders of YAML or JSON"
    );
}

#[test]
fn relist_interval_is_the_flag_of_the_adapter_in_the_folder() {
    let relist = |flags: &str| {
        let containers = format!("[{{name: adapter, args: [--prometheus-url=http://prometheus{flags}]}}]");
        let adapter = format!(
            "kind: Deployment\nmetadata: {{name: adapter}}\nspec: {{template: {{spec: {{containers: {containers}}}}}}}"
        );
        let read =
            edited("custom-metrics-config.yaml", "apiVersion: v1\n", &format!("{adapter}\n---\napiVersion: v1\n"));
        read.unwrap().autoscaler.pipeline.relist
    };
    assert_eq!((relist(", --metrics-relist-interval=90s"), relist("")), (90.0, 600.0));
}

/// What reading the manifests comes to with these rules, each a mapping in one line, in place of the repository's own.
fn with_rules(key: &str, rules: &[&str]) -> Result<Manifests, String> {
    let rules: Vec<_> = rules.iter().map(|rule| format!("\n      - {{{rule}}}")).collect();
    let map = std::fs::read_to_string(manifests().join("custom-metrics-config.yaml")).unwrap();
    let (from, to) = (map.find("    rules:").unwrap(), map.find("    resourceRules:").unwrap());
    edited("custom-metrics-config.yaml", &map[from..to], &format!("    {key}:{}\n", rules.concat()))
}

const PODS: &str = "resources: {overrides: {namespace: {resource: namespace}, pod: {resource: pod}}}";

fn rule(series: &str, name: &str, query: &str) -> String {
    format!("seriesQuery: '{series}', {PODS}, name: {name}, metricsQuery: '{query}'")
}

fn sum(window: &str) -> String {
    format!("sum(rate(<<.Series>>{{<<.LabelMatchers>>}}[{window}])) by (<<.GroupBy>>)")
}

const OWN: &str = "{matches: ^(.*)_total$, as: '${1}_per_second'}";

/// The window and the series of an HPA's metric by these rules.
fn read_by(rules: &[String]) -> Result<(f64, Option<String>), String> {
    let read = with_rules("rules", &rules.iter().map(String::as_str).collect::<Vec<_>>())?;
    Ok((read.autoscaler.pipeline.window, read.series))
}

#[test]
fn of_two_rules_for_one_metric_the_last_counts() {
    let series = r#"http_requests_total{namespace!="",pod!=""}"#;
    let own = Some("http_requests_total".to_owned());
    let rules = [rule(series, OWN, &sum("2m")), rule(series, OWN, &sum("5m"))];
    assert_eq!(read_by(&rules), Ok((300.0, own.clone())));
    let [first, last] = rules;
    assert_eq!(read_by(&[last, first.clone()]), Ok((120.0, own.clone())));
    // One that takes the series, too, whatever it is called by.
    let any = rule(r#"{__name__=~"^http_.*",pod!=""}"#, OWN, &sum("5m"));
    assert_eq!(read_by(&[first.clone(), any.clone()]), Ok((300.0, own.clone())));
    // One that does not.
    let filtered = any.replace("name:", "seriesFilters: [{isNot: ^http_requests}], name:");
    assert_eq!(read_by(&[first, filtered]), Ok((120.0, own)));
}

#[test]
fn a_metric_is_named_as_the_adapter_names_it() {
    let own = Some("http_requests_total".to_owned());
    for name in ["{as: http_requests_per_second}", "{matches: '.*', as: http_requests_per_second}", OWN] {
        assert_eq!(read_by(&[rule("http_requests_total", name, &sum("3m"))]), Ok((180.0, own.clone())), "{name}");
    }
    let itself = Some("http_requests_per_second".to_owned());
    assert_eq!(read_by(&[rule("http_requests_per_second", "{}", &sum("3m"))]), Ok((180.0, itself)));
    for name in ["{}", "{matches: ^(.*)_total$}", "{matches: ^(.*)_total$, as: $1_per_second}"] {
        let error = read_by(&[rule("http_requests_total", name, &sum("3m"))]).unwrap_err();
        assert!(
            error.starts_with("no ConfigMap has an adapter rule for pods that makes http_requests_per_second"),
            "{error}"
        );
    }
}

#[test]
fn irate_reacts_after_two_scrapes() {
    let query = "sum(irate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)";
    let read = with_rules("rules", &[&rule("http_requests_total", OWN, query)]).unwrap().autoscaler;
    assert_eq!((read.pipeline.window, read.pipeline.function), (120.0, Function::Irate));
    let load = profile(&["10rps:3m"]);
    let second = |autoscaler: &Autoscaler| first(&predict(&load, autoscaler, 1, 180.0), 2);
    // Two scrapes and a sync are enough; rate() waits until enough of its two minutes has load in it.
    assert!(second(&read) <= 25.0 && second(&shopfront(Source::Pods)) > 26.0, "{}", second(&read));
}

#[test]
fn a_query_template_is_filled_in_before_its_window_is_read() {
    for query in [
        "sum(rate(<<- .Series ->> {<</* all */>><<.LabelMatchers>>}[2m]))".to_owned(),
        "rate(<<.Series>>{namespace=\"<<index .LabelValuesByName \"namespace\">>\"}[2m])".to_owned(),
        "sum(rate(<<.Series>>{<<.LabelMatchers>>}[<<`2m`>>])) by (<<.GroupBy>>)".to_owned(),
    ] {
        let read = read_by(&[rule("http_requests_total", OWN, &query)]);
        assert_eq!(read, Ok((120.0, Some("http_requests_total".to_owned()))), "{query}");
    }
    let wrong = read_by(&[rule("http_requests_total", OWN, "sum(<<.Name>>)")]).unwrap_err();
    assert!(wrong.contains("prometheus-adapter cannot fill in: can't evaluate field Name"), "{wrong}");
}

#[test]
fn an_external_metric_is_made_by_the_external_rules() {
    let external = |key: &str| {
        let folder = tempfile::tempdir().unwrap();
        for file in ["shopfront.yml", "custom-metrics-config.yaml"] {
            let text = std::fs::read_to_string(manifests().join(file)).unwrap();
            let text = text.replace("- type: Pods\n      pods:", "- type: External\n      external:");
            std::fs::write(folder.path().join(file), text.replace("    rules:", &format!("    {key}:"))).unwrap();
        }
        manifests::read(&[folder.path()]).map_err(|error| error.to_string())
    };
    let read = external("externalRules").unwrap();
    let pipeline = read.autoscaler.pipeline;
    assert_eq!((pipeline.source, pipeline.window, pipeline.relist), (Source::External, 120.0, 60.0));
    assert_eq!(read.series.as_deref(), Some("http_requests_total"));
    let error = external("rules").unwrap_err();
    assert!(error.starts_with("no ConfigMap has an external adapter rule that makes http_requests"), "{error}");
}

#[test]
fn rules_that_a_folder_cannot_decide_between_are_an_error() {
    let any = r#"{pod!=""}"#;
    let (total, count) = (rule(any, OWN, &sum("2m")), rule(any, &OWN.replace("total", "count"), &sum("5m")));
    let error = read_by(&[total.clone(), count.clone()]).unwrap_err();
    assert!(
        error.ends_with(
            "makes http_requests_per_second from series http_requests_total by rules[0], or from series \
             http_requests_count by rules[1], with another window, and a folder does not show which series exists: \
             name it in the rule's seriesQuery"
        ) && error.lines().count() == 1,
        "{error}"
    );
    let same = count.replace("[5m]", "[2m]");
    assert_eq!(read_by(&[total, same]), Ok((120.0, None)));
    let refused = read_by(&[rule("http_requests_total", "{matches: '('}", &sum("2m"))]).unwrap_err();
    assert!(refused.contains("data[\"config.yaml\"] stops prometheus-adapter at its start"), "{refused}");
}
