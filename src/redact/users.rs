//! `user:password@host` without a scheme, as the Go driver for `MySQL` writes it, Oracle's `user/password@host`, and lines of
//! `.pgpass`.

/// The longest password that Oracle takes is shorter.
const LONGEST: usize = 200;

/// Removes users with passwords from before host names, and the passwords from lines of `.pgpass`.
pub fn without_passwords(text: &str, mark: &str) -> String {
    let ends = |c: char| c.is_whitespace() || "\"'=,(".contains(c);
    let text = ["\"", "\\\""].iter().fold(text.to_owned(), |text, quote| without_quoted(&text, quote, mark));
    text.split_inclusive(ends).map(|word| without_password(&without_last_field(word, mark), mark)).collect()
}

/// Oracle's `user/"password"@host`, whose password may hold spaces.
fn without_quoted(text: &str, quote: &str, mark: &str) -> String {
    let (opening, closing) = (format!("/{quote}"), format!("{quote}@"));
    let mut kept = String::with_capacity(text.len());
    let mut from = 0;
    for (at, _) in text.match_indices(&opening) {
        let start = at + opening.len();
        let near = &text[start..text.floor_char_boundary(start + LONGEST)];
        let is_of_user = text[..at].ends_with(|c: char| c.is_alphanumeric() || "_$#\"".contains(c));
        let is_of_host = |end: &usize| {
            let host = &near[end + closing.len()..];
            !near[..*end].contains('\n') && host.starts_with(|c: char| c.is_alphanumeric() || c == '/')
        };
        if start >= from
            && is_of_user
            && !near.starts_with(mark)
            && let Some(end) = near.find(&closing).filter(is_of_host)
        {
            kept.push_str(&text[from..start]);
            kept.push_str(mark);
            from = start + end;
        }
    }
    kept.push_str(&text[from..]);
    kept
}

/// `host:port:database:user:password`, of which each but the last may be `*`.
fn without_last_field(word: &str, mark: &str) -> String {
    let line = word.trim_end_matches(|c: char| c.is_whitespace() || "\"'=,(".contains(c));
    let fields: Vec<&str> = line.splitn(5, ':').collect();
    let [host, port, database, user, password] = fields[..] else { return word.to_owned() };
    let is_port = port == "*" || port.parse::<u16>().is_ok_and(|port| port > 0);
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_-.*$".contains(c));
    let is_hexadecimal = |field: &str| field.len() <= 4 && field.chars().all(|c| c.is_ascii_hexdigit());
    // An address of a network card, or of IPv6.
    let is_address = fields[..4].iter().all(|field| is_hexadecimal(field));
    if !is_port || is_address || password.is_empty() || ![host, database, user].into_iter().all(is_name) {
        return word.to_owned();
    }
    format!("{}{mark}{}", &line[..line.len() - password.len()], &word[line.len()..])
}

fn without_password(word: &str, mark: &str) -> String {
    // An unescaped password may contain an `@`.
    let word = word.strip_prefix("//").filter(|word| word.contains('@')).unwrap_or(word);
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
        Some((user, password)) if !password.contains('/') && !is_version(host) => Cut::Password(user.len() + 1),
        Some(_) => Cut::Nothing,
    }
}

/// Whether this is the version of a package, such as `1.2` or `v4`, rather than an address.
fn is_version(host: &str) -> bool {
    let number = host.strip_prefix('v').unwrap_or(host);
    let address = host.split([':', '/']).next().unwrap_or_default();
    number.starts_with(|c: char| c.is_ascii_digit()) && address.parse::<std::net::Ipv4Addr>().is_err()
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
            ("scott/\"hid hidden\"@db", "scott/\"(left out)\"@db"),
            ("scott/hidden@10.0.0.1", "scott/(left out)@10.0.0.1"),
            ("scott/hidden@10.0.0.1:1521/x", "scott/(left out)@10.0.0.1:1521/x"),
            ("//shop:hidden@db/x", "db/x"),
            ("db:5432:shop:till:hidden", "db:5432:shop:till:(left out)"),
            ("*:*:*:till:hid:hidden", "*:*:*:till:(left out)"),
            ("0a:58:0a:f4:00:0b fd00:5432:0:0:1:2", "0a:58:0a:f4:00:0b fd00:5432:0:0:1:2"),
            ("actions/checkout@v4", "actions/checkout@v4"),
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
