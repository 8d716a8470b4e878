//! Key material as files hold it.

/// The start and the end of a block. A block without an end extends to the end of the text.
const BLOCKS: [(&str, &str); 3] =
    [("-----BEGIN ", "-----END "), ("---- BEGIN ", "---- END "), ("PuTTY-User-Key-File-", "Private-MAC: ")];

/// Replaces each block of key material with `mark`.
pub fn without(text: &str, mark: &str) -> String {
    BLOCKS.iter().fold(text.to_owned(), |text, (head, tail)| {
        let mut parts = text.split(head);
        let mut kept = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            kept.push_str(mark);
            kept.push_str(after(part, tail));
        }
        kept
    })
}

/// What follows a block. Its last line may end in dashes, or in a line break written as `\n`.
fn after<'a>(text: &'a str, tail: &str) -> &'a str {
    let Some(at) = text.find(tail) else { return "" };
    let last = &text[at + tail.len()..];
    let end = last.find(['\n', '\\', '"', '\'']).unwrap_or(last.len());
    let dashes = last.find("----").map(|at| at + last[at..].find(|c| c != '-').unwrap_or(last.len() - at));
    &last[dashes.filter(|dashes| *dashes <= end).unwrap_or(end)..]
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn whole_block_is_replaced() {
        for (text, expected) in [
            ("a -----BEGIN RSA PRIVATE KEY-----\nx\ny\n-----END RSA PRIVATE KEY----- b", "a # b"),
            (r#""-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n", b"#, r##""#\n", b"##),
            ("cut short: -----BEGIN PRIVATE KEY-----\nx", "cut short: #"),
            ("PuTTY-User-Key-File-2: ssh-rsa\nx\nPrivate-MAC: y\nb", "#\nb"),
            ("nothing here", "nothing here"),
        ] {
            assert_eq!(without(text, "#"), expected);
        }
    }
}
