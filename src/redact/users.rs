//! `user:password@host` without a scheme, as the Go driver for `MySQL` writes it, and Oracle's `user/password@host`.

/// Removes users with passwords from before host names.
pub fn without_passwords(text: &str, mark: &str) -> String {
    let ends = |c: char| c.is_whitespace() || "\"'=,(".contains(c);
    text.split_inclusive(ends).map(|word| without_password(word, mark)).collect()
}

fn without_password(word: &str, mark: &str) -> String {
    // An unescaped password may contain an `@`.
    let host = word.rmatch_indices('@').find(|(at, _)| !word[at + 1..].starts_with("sha256:"));
    let Some((at, _)) = host else { return word.to_owned() };
    let (user_info, host) = (&word[..at], &word[at + 1..]);
    match cut(user_info, host) {
        Cut::Nothing => word.to_owned(),
        Cut::User => host.to_owned(),
        Cut::Password(user) => format!("{}{mark}@{host}", &user_info[..user]),
    }
}

/// What to remove.
enum Cut {
    Nothing,
    /// Everything before the host.
    User,
    /// Everything after this many bytes.
    Password(usize),
}

fn cut(user_info: &str, host: &str) -> Cut {
    // An image's digest is no host. A URL, which has a scheme, has lost its user already.
    // Oracle's host may start with two slashes.
    let is_host = host.trim_start_matches("//").starts_with(|c: char| c.is_alphanumeric() || c == '[');
    if !is_host || user_info.contains("://") {
        return Cut::Nothing;
    }
    match user_info.split_once([':', '/']) {
        Some(("" | "mailto", _) | (_, "")) | None => Cut::Nothing,
        Some((user, _)) if user_info[user.len()..].starts_with(':') => Cut::User,
        // A longer path is a file, and `left-pad@1.2` a version.
        Some((user, password)) if !password.contains('/') && !host.starts_with(|c: char| c.is_ascii_digit()) => {
            Cut::Password(user.len() + 1)
        }
        Some(_) => Cut::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::without_passwords;

    #[test]
    fn user_with_a_password_is_removed_before_a_host() {
        for (text, expected) in [
            ("--db=shop:hidden@tcp(db:3306)/shop", "--db=tcp(db:3306)/shop"),
            ("shop:hid/hidden@db", "db"),
            ("shop:hidden@db, till:hidden@db2", "db, db2"),
            ("shop:hid@hidden@db", "db"),
            ("scott/hidden@db", "scott/(left out)@db"),
            ("scott/hidden@//db:1521/x", "scott/(left out)@//db:1521/x"),
            ("shop/app:1.2@sha256:0123", "shop/app:1.2@sha256:0123"),
            ("shop@example.com", "shop@example.com"),
            ("mailto:shop@example.com", "mailto:shop@example.com"),
            ("node_modules/left-pad@1.2", "node_modules/left-pad@1.2"),
        ] {
            let once = without_passwords(text, "(left out)");
            assert_eq!(once, expected);
            assert_eq!(without_passwords(&once, "(left out)"), once);
        }
    }
}
