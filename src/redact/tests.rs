use rustix::time::{ClockId, clock_gettime};

use super::text;

/// Fragments that are hard to redact, alone and combined.
const PARTS: [&str; 60] = [
    "password",
    "token",
    "key",
    "api_key",
    "-p",
    "mysql ",
    "--auth",
    "=",
    ":",
    " ",
    "\"",
    "'",
    "\\\"",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ",",
    ";",
    "&",
    "?",
    "@",
    "/",
    "://",
    "http://",
    "u:p@h",
    "name",
    "value",
    "é",
    "密码",
    "：",
    "\n",
    "\n  ",
    "|",
    "<",
    ">",
    "=>",
    "is ",
    "is:",
    "Bearer ",
    "Authorization",
    "eyJabc.def",
    "ghp_abcd",
    "-----BEGIN ",
    "-----END ",
    "PuTTY-User-Key-File-",
    "x",
    "7",
    "123456789:",
    "0123456789abcdef0123456789abcdef",
    "aB3dE5gH7jK9mN1pQ3sT",
    "(left out)",
    "hooks.slack.com/",
    "webhook/",
    "-",
    "sha256:",
    "login ",
    "\u{a0}",
];

fn corpus(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.replace("\\n", "\n"))
}

#[test]
fn every_secret_of_the_corpus_is_removed() {
    let lines: Vec<String> = corpus(include_str!("../../tests/corpora/text-secrets.txt")).collect();
    assert!(lines.len() > 300, "{}", lines.len());
    let mut kept = Vec::new();
    for line in &lines {
        let once = text(line, "(left out)");
        if once.contains("hidden") || text(&once, "(left out)") != once {
            kept.push(format!("{line:?}: {once:?}"));
        }
    }
    assert!(kept.is_empty(), "{} of {}:\n{}", kept.len(), lines.len(), kept.join("\n"));
}

#[test]
fn harmless_texts_are_unchanged() {
    let lines = corpus(include_str!("../../tests/corpora/text-harmless.txt"));
    let changed: Vec<String> = lines
        .map(|line| (text(&line, "(left out)"), line))
        .filter(|(once, line)| once != line)
        .map(|(once, line)| format!("{line:?}: {once:?}"))
        .collect();
    assert!(changed.is_empty(), "{} are changed:\n{}", changed.len(), changed.join("\n"));
}

/// No combination panics, and redacting twice changes nothing more.
#[test]
fn redaction_is_idempotent() {
    let mut state: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % 1000).expect("it is below 1000") * below / 1000
    };
    for _ in 0..3_000 {
        let parts = 1 + random(14);
        let whole: String = (0..parts).map(|_| PARTS[random(PARTS.len())]).collect();
        let once = text(&whole, "(left out)");
        assert_eq!(text(&once, "(left out)"), once, "{whole:?}");
    }
}

/// Each fragment repeats what a step of the redaction would read again and again if it were not bounded.
#[test]
fn time_grows_with_the_length_of_a_hostile_text() {
    let all = PARTS.concat();
    let fragments = [
        "password ",
        "password\"",
        "key=\"",
        "value=\"",
        "name: ",
        "token:",
        "seed ",
        "echo ",
        "-p ",
        "a, ",
        "{",
        "\"",
        "\n",
        "http://a@",
        "a/b@",
        "x/\"",
        "$a$",
        &all,
    ];
    for fragment in fragments {
        let time = |length: usize| {
            let whole = fragment.repeat(length / fragment.len());
            let start = clock_gettime(ClockId::ThreadCPUTime);
            text(&whole, "(left out)");
            let time = clock_gettime(ClockId::ThreadCPUTime) - start;
            (time.tv_sec * 1_000_000 + time.tv_nsec / 1000).max(1)
        };
        // Four times the text takes four times the time, and 16 times if all of it were read again for each fragment.
        let is_bounded = || time(16 << 10) < 10 * time(4 << 10);
        assert!((0..3).any(|_| is_bounded()), "{fragment:?}");
    }
}
