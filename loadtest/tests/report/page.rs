//! The page, in a real headless Chromium.

use std::path::{Path, PathBuf};

use loadtest::report::Report;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::{alone, broken, empty, good};

/// Where a report is left for people to look at.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Opens a report, sees that it is alone with itself, and leaves a picture beside it.
async fn opened(report: &Report, name: &str, size: (u32, u32), dark: bool) -> Browser {
    let folder = folder(name);
    report.write(&folder).unwrap();
    let browser = Browser::open(&folder.join("report.html"), size, dark).await;
    let complaints = browser.log("browser").await;
    assert!(complaints.is_empty(), "the page complains: {complaints:#?}");
    // The browser's own first page is none of ours.
    let entries = browser.log("performance").await;
    let entries = entries.iter().filter_map(|entry| serde_json::from_str::<Value>(entry["message"].as_str()?).ok());
    let requests = entries.filter(|entry| entry["message"]["method"] == "Network.requestWillBeSent");
    let requests = requests.map(|entry| entry["message"]["params"].clone());
    let ours = requests.filter(|request| request["documentURL"].as_str().is_some_and(|url| url.starts_with("file:")));
    let urls: Vec<String> = ours.map(|request| request["request"]["url"].to_string()).collect();
    let foreign = urls.iter().find(|url| !url.starts_with("\"file:") && !url.starts_with("\"data:"));
    assert!(!urls.is_empty() && foreign.is_none(), "it asks for {urls:?}");

    let height = browser.script("return document.documentElement.scrollHeight").await.as_u64().unwrap();
    browser.page.set_window_size(size.0, u32::try_from(height).unwrap() + 150).await.unwrap();
    let wide = browser.script("return document.documentElement.scrollWidth > innerWidth").await;
    assert_eq!(wide, json!(false), "nothing is beside the window");
    let picture = browser.page.screenshot().await.unwrap();
    std::fs::write(folder.join("report.png"), picture).unwrap();
    browser
}

const COUNT: &str = "return document.querySelectorAll(arguments[0]).length";

async fn marks(browser: &Browser, css: &str) -> u64 {
    browser.page.execute(COUNT, vec![json!(css)]).await.unwrap().as_u64().unwrap()
}

#[tokio::test]
async fn the_page_shows_the_run_and_its_figures() {
    let report = good();
    let browser = opened(&report, "light-1280", (1280, 900), false).await;
    let sentence = browser.script("return document.querySelector('#sentence').textContent").await;
    assert_eq!(sentence.as_str().unwrap().replace('\u{a0}', " "), report.verdict.sentence);
    for (css, expected) in [
        (".panel", 5),
        (".panel svg[role=img][aria-label]", 5),
        ("#panel-rate path", 3),
        ("#panel-latency path", 2),
        ("#panel-value path", 2),
        ("#panel-replicas path", 6),
        ("#panel-replicas path.expected", 1),
        ("#panel-pods path.pod", 3),
        (".waterfall rect[class^=bar]", 7),
        ("#panel-replicas text.step", 3),
        (".stage", 4),
    ] {
        assert_eq!(marks(&browser, css).await, expected, "{css}");
    }
    assert_eq!(marks(&browser, ".events .mark").await, 2);
    let lines = marks(&browser, "#panel-rate .event").await;
    assert!(lines == 3 && marks(&browser, ".panel .event").await == 5 * lines);

    // The moment 5:00 of 13:10 in all, of which the first ten seconds lie before the load.
    let hover = "const box = document.querySelector('#panel-value .plot').getBoundingClientRect();
        const x = box.left + box.width * 310 / 790, y = box.top + 20;
        document.elementFromPoint(x, y)
            .dispatchEvent(new PointerEvent('pointermove', { clientX: x, clientY: y, bubbles: true }));
        return document.querySelector('#tip').innerText";
    let tip = browser.script(hover).await;
    let tip = tip.as_str().unwrap();
    for text in ["5:00", "offered", "15/s", "desired · ready", "3 · 3", "expected", "fblvd"] {
        assert!(tip.contains(text), "no {text} in {tip}");
    }
    let picture = browser.page.screenshot().await.unwrap();
    std::fs::write(folder("light-1280").join("tooltip.png"), picture).unwrap();
    let mark = "document.querySelector('.mark').focus();
        return [...document.querySelectorAll('#tip p')].map(line => line.textContent)";
    let tip = browser.script(mark).await;
    assert_eq!(tip.as_array().unwrap().len(), 7, "six of eight events, and that there are more: {tip}");
    assert!(tip[0].as_str().unwrap().contains("New size: 2"), "{tip}");
    let keyboard = "const stack = document.querySelector('#stack');
        stack.focus();
        stack.dispatchEvent(new KeyboardEvent('keydown', { key: 'Home', bubbles: true }));
        const home = document.querySelector('#tip b').textContent;
        stack.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }));
        return [home, document.querySelector('#tip').hidden]";
    assert_eq!(browser.script(keyboard).await, json!(["−0:10", true]));
}

#[tokio::test]
async fn the_page_is_legible_in_the_dark_and_narrow() {
    let browser = opened(&good(), "dark-800", (800, 900), true).await;
    let dark = browser.script("return matchMedia('(prefers-color-scheme: dark)').matches").await;
    assert_eq!(dark, json!(true));
}

#[tokio::test]
async fn the_page_fits_a_phone() {
    for (report, name, dark) in [(good(), "phone-good", false), (broken(), "phone-broken", true)] {
        let browser = opened(&report, name, (600, 900), dark).await;
        browser.be_a_phone(390, 844).await;
        let widths = "const page = document.documentElement, chart = document.querySelector('.panel .plot');
            return [page.scrollWidth, Math.round(chart.getBoundingClientRect().width), page.scrollHeight]";
        let widths = browser.script(widths).await;
        let [page, chart, height] = [0, 1, 2].map(|place| widths[place].as_u64().unwrap());
        assert!(page <= 390, "{name}: nothing is wider than the phone: {page}");
        assert!(chart >= 320, "{name}: a chart has the phone's width: {chart}");
        browser.be_a_phone(390, u32::try_from(height).unwrap()).await;
        std::fs::write(folder(name).join("phone.png"), browser.page.screenshot().await.unwrap()).unwrap();
    }
}

#[tokio::test]
async fn the_page_of_a_broken_run_is_complete() {
    let browser = opened(&broken(), "broken-1600", (1600, 900), false).await;
    assert_eq!(marks(&browser, ".warnings li").await, 5);
    assert_eq!(marks(&browser, "#panel-rate path.failed").await, 1);
    let text = browser.script("return document.body.innerText").await;
    assert!(text.as_str().unwrap().contains("shopfront </script><b>&"), "what events say is text");
}

#[tokio::test]
async fn the_page_leaves_out_what_was_not_observed() {
    let browser = opened(&alone(), "alone-1000", (1000, 900), true).await;
    assert_eq!((marks(&browser, ".panel").await, marks(&browser, "#events-title").await), (2, 0));
    let browser = opened(&empty(), "empty-1000", (1000, 900), false).await;
    assert_eq!((marks(&browser, ".panel").await, marks(&browser, "#stack p.soft").await), (0, 1));
}
