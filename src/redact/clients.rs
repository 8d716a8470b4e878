//! Passwords in the arguments of client programs: `mysql -phidden`, `curl -u name:hidden`, `echo hidden | passwd --stdin`.

use super::names::is_secret_name;

/// Programs, and the letters of those of their short flags that take a password. With other programs the same letters take a
/// port, a path or nothing.
#[rustfmt::skip]
const CLIENTS: [(&str, &str); 48] = [
    ("7z", "p"), ("az", "p"), ("bcp", "pP"), ("clickhouse-client", "pP"), ("cqlsh", "pP"), ("cypher-shell", "pP"),
    ("ftp", "p"), ("imapsync", "p"), ("influx", "p"), ("ipmitool", "P"), ("isql", "pP"), ("keydb-cli", "apP"),
    ("ldapadd", "w"), ("ldapmodify", "w"), ("ldapsearch", "w"), ("lftp", "p"), ("login", "p"), ("mariadb", "pP"),
    ("mongo", "pP"), ("mongodump", "pP"), ("mongorestore", "pP"), ("mongosh", "pP"), ("mosquitto_pub", "P"),
    ("mosquitto_sub", "P"), ("mysql", "pP"), ("mysqladmin", "pP"), ("mysqldump", "pP"), ("openssl", "k"), ("osql", "P"),
    ("psql", "pP"), ("rabbitmqadmin", "p"), ("redis-benchmark", "a"), ("redis-cli", "apP"), ("smbclient", "pP"),
    ("snmpget", "cAX"), ("snmpset", "cAX"), ("snmpwalk", "cAX"), ("sqlcmd", "pP"), ("ssh-keygen", "NP"),
    ("sshpass", "p"), ("tsql", "P"), ("twine", "p"), ("unzip", "P"), ("useradd", "p"), ("usermod", "p"),
    ("valkey-cli", "apP"), ("xfreerdp", "p"), ("zip", "P"),
];

/// Words of a command, and how many arguments follow before the secret: `rabbitmqctl add_user NAME PASSWORD`.
const PLACES: [(&str, usize); 11] = [
    ("sp_addlogin", 1),
    ("sp_password", 1),
    ("add_user", 1),
    ("change_password", 1),
    ("authenticate_user", 1),
    ("htpasswd -b", 2),
    ("htpasswd -cb", 2),
    ("htpasswd -nb", 1),
    ("net user", 1),
    ("alias set", 2),
    ("alias set", 3),
];

/// What reads a password from its standard input.
const READERS: [&str; 5] = ["passwd", "stdin", "sudo -S", "openssl", "gpg"];

/// Flags whose value is a user and a password.
const PAIRS: [&str; 9] =
    ["-u", "-U", "--user", "--proxy-user", "--creds", "--src-creds", "--dest-creds", "--basic-auth", "--login"];

/// Programs whose first argument is a user, a slash and a password.
const OF_ORACLE: [&str; 5] = ["expdp", "impdp", "rman", "sqlldr", "sqlplus"];

/// How far back a command's name is looked for.
const NEAR: usize = 1000;

/// Replaces each such argument with `mark`.
pub fn without_passwords(text: &str, mark: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut from = 0;
    for (start, end) in arguments(text) {
        let around = &text
            [text.floor_char_boundary(start.saturating_sub(mark.len()))..text.ceil_char_boundary(end + mark.len())];
        if start < from || around.contains(mark) {
            continue;
        }
        let Some((start, end)) = secret_of(text, start, end) else { continue };
        kept.push_str(&text[from..start]);
        kept.push_str(mark);
        from = end;
    }
    kept.push_str(&text[from..]);
    kept
}

/// Where each argument is, without its quotes.
fn arguments(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].find(|c| !is_between(c))?;
        let before = text[at..start].chars().next_back();
        // What is in quotes after a flag has spaces of its own. Else the quotes may be around the whole command.
        let quote = before.filter(|c| "\"'".contains(*c) && is_after_flag(&text[..start]));
        let length = text[start..].find(|c: char| quote.map_or(is_between(c), |quote| c == quote || c == '\n'));
        at = start + length.unwrap_or(text.len() - start);
        Some((start, at))
    })
}

fn is_after_flag(before: &str) -> bool {
    let near = &before[before.floor_char_boundary(before.len().saturating_sub(40))..];
    near.split(is_between).rfind(|word| !word.is_empty()).is_some_and(|word| word.starts_with('-'))
}

fn is_between(one: char) -> bool {
    one.is_whitespace() || "\"'[],;|`".contains(one)
}

/// What of an argument is a password.
fn secret_of(text: &str, start: usize, end: usize) -> Option<(usize, usize)> {
    let before = &text[text.floor_char_boundary(start.saturating_sub(NEAR))..start];
    let command = before.rsplit(['|', ';', '&', '\n']).next().unwrap_or_default();
    let argument = &text[start..end];
    let words: Vec<&str> = command.split(is_between).filter(|word| !word.is_empty()).collect();
    let last = words.last().copied().unwrap_or_default();
    let whole = Some((start, end));
    let mut programs = words.iter().map(|word| word.rsplit(['/', '=']).next().unwrap_or_default());
    let of_client = programs.clone().find_map(|word| CLIENTS.iter().find(|(known, _)| *known == word));
    let is_of_curl = programs.clone().any(|word| word == "curl");
    let is_of_httpie = last == "-a" && programs.any(|word| matches!(word, "http" | "https"));
    // `-sSu` is `-s -S -u`.
    let ends_in_user = is_of_curl && last.starts_with('-') && !last.starts_with("--") && last.ends_with('u');
    if PAIRS.contains(&last) || ends_in_user || is_of_httpie {
        return if is_pair(argument, &words) { whole } else { None };
    }
    if OF_ORACLE.contains(&last) && argument.contains('/') {
        return whole;
    }
    // A user of Redis: `ACL SETUSER shop on >hidden`.
    let is_of_redis = || words.iter().any(|word| word.eq_ignore_ascii_case("setuser")) || words.contains(&"on");
    if argument.len() > 1 && argument.starts_with('>') && is_of_redis() {
        return Some((start + 1, end));
    }
    // Windows' way: `/p:hidden`.
    if argument.starts_with("/p:") {
        return Some((start + "/p:".len(), end));
    }
    if let Some(pair) = argument.strip_prefix("-u").or_else(|| argument.strip_prefix("-U"))
        && is_pair(pair, &words)
    {
        return Some((start + 2, end));
    }
    if before.trim_end_matches(['"', '\'', ' ']).ends_with("<<<") {
        return whole;
    }
    // OpenSSL's way to write a password: `-passin pass:hidden`.
    if argument.starts_with("pass:") && last.starts_with("-pass") {
        return Some((start + "pass:".len(), end));
    }
    if let Some((_, letters)) = of_client {
        let is_flag =
            |word: &str| word.strip_prefix('-').is_some_and(|letter| letter.len() == 1 && letters.contains(letter));
        if is_flag(last) && !argument.starts_with('-') {
            return whole;
        }
        // A long flag, such as `-password`, is a name.
        if argument.len() > 2 && argument.is_char_boundary(2) && is_flag(&argument[..2]) && !is_secret_name(argument) {
            return Some((start + 2, end));
        }
    }
    // Of any program: what is neither a port nor a path.
    let is_port_or_path =
        argument.contains(['/', '.', '$', '=', '-']) || argument.starts_with(|c: char| c.is_ascii_digit());
    if last == "-p" && !is_port_or_path && argument.contains(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase()) {
        return whole;
    }
    let is_in_place = |(known, skipped): &(&str, usize)| {
        let known: Vec<&str> = known.split(' ').collect();
        let place = words.len().checked_sub(known.len() + skipped);
        place.is_some_and(|place| words[place..].starts_with(&known))
    };
    if PLACES.iter().any(is_in_place) {
        return whole;
    }
    // `echo hidden | passwd --stdin`
    let near = &text[end..text.floor_char_boundary(end + NEAR)];
    let next = near.trim_start_matches(['"', '\'', ' ']).strip_prefix('|')?;
    let next = next.split(['|', '\n']).next().unwrap_or(next);
    let is_read = READERS.iter().any(|reader| next.contains(reader));
    let is_echoed = words.iter().any(|word| matches!(*word, "echo" | "printf"));
    (is_read && is_echoed).then_some((start, end))
}

/// Whether this is a user and a password rather than the numeric ids of a user and a group.
fn is_pair(text: &str, command: &[&str]) -> bool {
    let Some((user, password)) = text.split_once([':', '%']) else { return false };
    let are_ids = [user, password].iter().all(|part| part.chars().all(|c| c.is_ascii_digit()));
    !password.is_empty() && (!are_ids || command.iter().any(|word| matches!(*word, "curl" | "wget" | "http")))
}

#[cfg(test)]
mod tests {
    use super::without_passwords;

    #[test]
    fn password_of_a_client_program_is_replaced() {
        for (text, expected) in [
            ("mysql -uroot -phidden shop", "mysql -uroot -p# shop"),
            ("sqlcmd -S db -U sa -P 123456", "sqlcmd -S db -U sa -P #"),
            ("redis-cli -a hidden ping", "redis-cli -a # ping"),
            ("curl -u shop:hidden http", "curl -u # http"),
            ("-u shop:hidden", "-u #"),
            ("curl --user shop:hidden", "curl --user #"),
            ("curl -u name:123456 http", "curl -u # http"),
            ("curl -u 1000:123456 http", "curl -u # http"),
            ("[\"redis-cli\",\"-a\",\"hidden\",\"ping\"]", "[\"redis-cli\",\"-a\",\"#\",\"ping\"]"),
            ("smbclient -U shop%hidden //x", "smbclient -U # //x"),
            ("rabbitmqctl add_user shop hidden", "rabbitmqctl add_user shop #"),
            ("echo hidden | passwd --stdin u", "echo # | passwd --stdin u"),
            ("docker run -p 8080:80 -u 1000:1000 x", "docker run -p 8080:80 -u 1000:1000 x"),
            ("curl -X POST -w 200 http", "curl -X POST -w 200 http"),
            ("mkdir -p data && ssh -p 22 h", "mkdir -p data && ssh -p 22 h"),
        ] {
            let once = without_passwords(text, "#");
            assert_eq!(once, expected);
            assert_eq!(without_passwords(&once, "#"), once);
        }
    }
}
