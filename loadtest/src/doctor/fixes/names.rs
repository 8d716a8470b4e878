//! The names that Kubernetes and Prometheus accept. kubectl, the API server or Prometheus refuses any other, so a command
//! with it would only fail, or do something else.

/// The name of a namespace, a container or a port: an RFC 1123 label.
pub(super) fn is_label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= 63 && is_bounded(text, plain) && text.bytes().all(|byte| plain(byte) || byte == b'-')
}

/// The name of an object: an RFC 1123 subdomain.
pub(super) fn is_object(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

/// A kind, such as `Deployment`.
pub(super) fn is_kind(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A label's key, such as `app.kubernetes.io/name`.
pub(super) fn is_key(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_object(prefix) && !name.is_empty() && is_value(name),
        None => !text.is_empty() && is_value(text),
    }
}

/// A label's value, which may be empty.
pub(super) fn is_value(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    let all = text.bytes().all(|byte| plain(byte) || b"-_.".contains(&byte));
    text.is_empty() || (text.len() <= 63 && is_bounded(text, plain) && all)
}

/// The name of a metric, as every version of Prometheus accepts it without quotes.
pub fn is_metric(text: &str) -> bool {
    is_identifier(text, b"_:")
}

/// The name of a metric's label, likewise.
pub fn is_label_name(text: &str) -> bool {
    is_identifier(text, b"_")
}

fn is_identifier(text: &str, also: &[u8]) -> bool {
    let starts = |first: u8| first.is_ascii_alphabetic() || also.contains(&first);
    text.len() <= 253
        && text.bytes().next().is_some_and(starts)
        && text.bytes().all(|byte| starts(byte) || byte.is_ascii_digit())
}

/// Whether both ends are of this kind.
fn is_bounded(text: &str, plain: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    bytes.first().zip(bytes.last()).is_some_and(|(first, last)| plain(*first) && plain(*last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_kubernetes_takes() {
        assert!(is_object("v1beta1.custom.metrics.k8s.io") && is_object("7d94b56f44") && is_label("a-b"));
        for wrong in ["", "-a", "a-", "A", "a_b", "a..b", ".a", "a b", "a/b", "$(a)", "a\n", &"a".repeat(64)] {
            assert!(!is_object(wrong) && !is_label(wrong), "{wrong:?}");
        }
        assert!(is_kind("ServiceMonitor") && !is_kind("") && !is_kind("a.b") && !is_kind("1a") && !is_kind("é"));
    }

    #[test]
    fn labels_are_those_that_kubectl_takes() {
        assert!(is_key("app.kubernetes.io/name") && is_key("Team_1.x") && is_value("") && is_value("A_b-C.d"));
        for wrong in ["", "/a", "a/", "a/b/c", "-a", "a b", "A/b", "~", "=a", "x\\'"] {
            assert!(!is_key(wrong), "{wrong:?}");
        }
        for wrong in ["-a", "a.", "a b", "a'b", "x\\'; touch PWNED #", "é", &"a".repeat(64)] {
            assert!(!is_value(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn metrics_are_those_that_need_no_quotes() {
        assert!(is_metric("job:a:rate1m") && is_metric("_x") && is_label_name("pod") && !is_label_name("a:b"));
        for wrong in ["", "1a", "a-b", "a b", "a}", "é", "a\n", "a, b"] {
            assert!(!is_metric(wrong) && !is_label_name(wrong), "{wrong:?}");
        }
    }
}
