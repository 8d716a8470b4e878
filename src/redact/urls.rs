//! Removes users, queries and secrets in paths from URLs.

/// Hosts whose URLs grant access by their path, and the part of the path before the secret.
const HOOKS: [(&str, &str); 12] = [
    ("hooks.slack.com", "/"),
    ("hooks.zapier.com", "/"),
    ("discord.com", "/webhooks/"),
    ("discordapp.com", "/webhooks/"),
    ("api.telegram.org", "/bot"),
    ("maker.ifttt.com", "/with/key/"),
    ("webhook.office.com", "/"),
    ("outlook.office.com", "/webhook/"),
    ("events.pagerduty.com", "/integration/"),
    ("hc-ping.com", "/"),
    ("webhook.site", "/"),
    ("logs.logdna.com", "/"),
];

/// Parts of a path that precede a secret on any host.
const PARTS: [&str; 9] = ["webhook", "webhooks", "hook", "hooks", "key", "apikey", "api-key", "token", "secret"];

/// Reduces each URL in a text to what may be shown.
pub fn without_secrets(text: &str, mark: &str) -> String {
    let ends = |one: char| one.is_whitespace() || "\"`<>\\".contains(one);
    let mut parts = text.split("://");
    let mut kept = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let whole = &part[..part.find(ends).unwrap_or(part.len())];
        // A password may hold one that ends other URLs.
        let end = if whole.contains('@') { None } else { whole.find('\'') };
        let (url, after) = part.split_at(end.unwrap_or(whole.len()));
        kept.push_str("://");
        kept.push_str(&without_hook(&without_user(url, mark), mark));
        kept.push_str(after);
    }
    kept
}

/// What follows a URL's user, up to its query; nothing of it where it cannot be told where the user ends.
fn without_user(url: &str, mark: &str) -> String {
    let (first, later) = url.split_at(url.find(['/', '?', '#', ',']).unwrap_or(url.len()));
    // An image's digest is no host.
    let hosts = later.matches('@').count() - later.matches("@sha256:").count();
    let is_port = |text: &str| text.chars().all(|one| one.is_ascii_digit());
    let start = match (first.rfind('@'), first.rsplit_once(':'), hosts) {
        (Some(at), _, 0) => at + 1,
        (None, None, _) | (None, _, 0) => 0,
        // A password that is written as it is may hold what ends a host, and that of an address stands in brackets.
        (None, Some((_, rest)), 1) if !is_port(rest) && !first.starts_with('[') => {
            url.rfind('@').map_or(0, |at| at + 1)
        }
        _ => return mark.to_owned(),
    };
    url[start..].split_once('?').map_or(&url[start..], |(kept, _)| kept).to_owned()
}

/// Replaces the secret part of a webhook's path.
fn without_hook(url: &str, mark: &str) -> String {
    let (host, path) = url.split_at(url.find('/').unwrap_or(url.len()));
    let host = host.rsplit_once(':').map_or(host, |(host, _port)| host);
    let of_host = HOOKS
        .iter()
        .find(|(known, _)| host.strip_suffix(known).is_some_and(|before| before.is_empty() || before.ends_with('.')));
    let from = of_host.and_then(|(_, after)| Some(path.find(after)? + after.len())).or_else(|| {
        let mut at = 0;
        path.split('/').find_map(|part| {
            at += part.len() + 1;
            PARTS.contains(&part.to_ascii_lowercase().as_str()).then_some(at)
        })
    });
    // The mark, or its first word, may be there already.
    match from.filter(|from| path.len() > *from && !mark.starts_with(&path[*from..])) {
        Some(from) => format!("{}{}{mark}", &url[..url.len() - path.len()], &path[..from]),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn secret_part_of_a_webhook_path_is_replaced() {
        for (url, expected) in [
            ("https://hooks.slack.com/services/T0/B0/hidden", "https://hooks.slack.com/(left out)"),
            ("https://discord.com/api/webhooks/1/hidden", "https://discord.com/api/webhooks/(left out)"),
            ("https://api.telegram.org/bot1:hidden/send", "https://api.telegram.org/bot(left out)"),
            (
                "https://maker.ifttt.com/trigger/a/with/key/hidden",
                "https://maker.ifttt.com/trigger/a/with/key/(left out)",
            ),
            ("https://acme.webhook.office.com/hidden", "https://acme.webhook.office.com/(left out)"),
            ("https://shop.example/hooks/hidden", "https://shop.example/hooks/(left out)"),
            ("http://prometheus-k8s.monitoring.svc:9090/base", "http://prometheus-k8s.monitoring.svc:9090/base"),
        ] {
            let once = without_secrets(url, "(left out)");
            assert_eq!(once, expected);
            assert_eq!(without_secrets(&once, "(left out)"), once);
        }
    }
}
