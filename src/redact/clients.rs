//! Passwords in the arguments of client programs: `mysql -phidden`, `curl -u name:hidden`, `echo hidden | passwd --stdin`.

use super::assigned::prose;
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
    ("lftp -u", 1),
    ("alias set", 2),
    ("alias set", 3),
];

/// What reads a password from its standard input.
const READERS: [&str; 6] = ["passwd", "stdin", "sudo -S", "openssl", "gpg", "ftp"];

/// Flags whose value is a user and a password.
const PAIRS: [&str; 9] =
    ["-u", "-U", "--user", "--proxy-user", "--creds", "--src-creds", "--dest-creds", "--basic-auth", "--login"];

/// Ends of names of functions that take a user and a password.
const LOGINS: [&str; 5] = ["auth", "authenticate", "credentials", "login", "logon"];

/// Programs whose first argument is a user, a slash and a password.
const OF_ORACLE: [&str; 5] = ["expdp", "impdp", "rman", "sqlldr", "sqlplus"];

/// How far around an argument is read, which limits the time.
const NEAR: usize = 1000;

/// How many words before an argument are read where switches may be among them.
const NEAR_WORDS: usize = 10;

/// Replaces each such argument with `mark`.
pub fn without_passwords(text: &str, mark: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let (mut from, mut read) = (0, 0);
    let mut command = Command::default();
    for (start, end) in arguments(text) {
        command.read(&text[read..start]);
        read = start;
        let around = &text
            [text.floor_char_boundary(start.saturating_sub(mark.len()))..text.ceil_char_boundary(end + mark.len())];
        if start < from || around.contains(mark) {
            continue;
        }
        let Some((start, end)) = secret_of(text, &command, start, end) else { continue };
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

/// The words of a command before an argument, and what they say of it.
#[derive(Default)]
struct Command<'a> {
    words: Vec<&'a str>,
    /// The letters of the flags that take a password.
    letters: Option<&'static str>,
    is_of_curl: bool,
    /// Whether numbers may be a user and a password.
    is_of_http: bool,
    is_of_redis: bool,
}

impl<'a> Command<'a> {
    fn read(&mut self, text: &'a str) {
        for (at, command) in text.split(['|', ';', '&', '\n']).enumerate() {
            if at > 0 {
                *self = Self::default();
            }
            for word in command.split(is_between).filter(|word| !word.is_empty()) {
                self.add(word);
            }
        }
    }

    fn add(&mut self, word: &'a str) {
        self.words.push(word);
        let program = word.rsplit(['/', '=']).next().unwrap_or_default();
        let known = CLIENTS.binary_search_by_key(&program, |(known, _)| known);
        self.letters = self.letters.or_else(|| known.ok().map(|at| CLIENTS[at].1));
        self.is_of_curl |= program == "curl";
        self.is_of_http |= matches!(program, "curl" | "wget" | "http" | "https");
        self.is_of_redis |= word == "on" || word.eq_ignore_ascii_case("setuser");
    }

    fn last(&self) -> &'a str {
        self.words.last().copied().unwrap_or_default()
    }

    /// Whether the words end in `known` and as many others as are skipped.
    fn has_place(&self, known: &str, skipped: usize) -> bool {
        let mut words = self.words.iter().rev().skip(skipped);
        known.rsplit(' ').all(|known| words.next().is_some_and(|word| is_word(word, known)))
    }

    /// Whether the next argument is the first that is no switch: `sqlplus -s scott/hidden`.
    fn is_of_oracle(&self) -> bool {
        let mut words = self.words.iter().rev().take(NEAR_WORDS);
        words.find(|word| !word.starts_with('-')).is_some_and(|word| OF_ORACLE.contains(word))
    }

    /// Whether Windows' `net use` takes a password here: after the share, with or without switches between.
    fn is_of_share(&self) -> bool {
        let mut words = self.words.iter().rev().take(NEAR_WORDS).filter(|word| !word.starts_with('/'));
        let is_share = words.next().is_some_and(|word| word.starts_with('\\'));
        let used = words.next().filter(|word| **word != "*" && !word.ends_with(':')).or_else(|| words.next());
        is_share
            && used.is_some_and(|word| is_word(word, "use"))
            && words.next().is_some_and(|word| is_word(word, "net"))
    }

    /// Whether a user's name and a password are what the line consists of: `user shop hidden` of FTP, `a1 LOGIN shop hidden`
    /// of IMAP, `login("shop", "hidden")`. "login page broken" is a sentence, so something else has to speak for it.
    fn is_login(&self, before: &str, argument: &str, after: &str) -> bool {
        let [prompts @ .., verb, name] = &self.words[..] else { return false };
        if let Some(called) = verb.strip_suffix('(') {
            let called = called.to_ascii_lowercase();
            return before.ends_with(['"', '\'']) && LOGINS.iter().any(|known| called.ends_with(known));
        }
        let is_verb = ["login", "logon", "oper", "user"].iter().any(|known| verb.eq_ignore_ascii_case(known));
        let rest = after.trim_start_matches(['"', '\'', ' ', '\r']);
        if !is_verb || prose::is_said(name) || !(rest.is_empty() || rest.starts_with('\n')) {
            return false;
        }
        let is_tag = |tag: &str| {
            let is_counted =
                tag.chars().all(|c| c.is_ascii_alphanumeric()) && tag.contains(|c: char| c.is_ascii_digit());
            *verb == "LOGIN" && is_counted || tag == "."
        };
        match prompts {
            [] => {
                matches!(*verb, "LOGIN" | "OPER")
                    || before.contains("ftp")
                    || prose::is_like_a_value(argument) && argument.contains(char::is_alphabetic)
            }
            [.., prompt] => {
                is_tag(prompt) || prompt.strip_suffix('>').is_some_and(|arrow| !arrow.ends_with(['-', '=']))
            }
        }
    }
}

fn is_word(word: &str, known: &str) -> bool {
    let program = word.rsplit(['/', '\\']).next().unwrap_or_default();
    program.strip_suffix(".exe").unwrap_or(program).eq_ignore_ascii_case(known)
}

/// What of an argument is a password.
fn secret_of(text: &str, command: &Command, start: usize, end: usize) -> Option<(usize, usize)> {
    let argument = &text[start..end];
    let last = command.last();
    let whole = Some((start, end));
    let is_of_httpie = last == "-a" && command.is_of_http && !command.is_of_curl;
    // `-sSu` is `-s -S -u`.
    let ends_in_user = command.is_of_curl && last.starts_with('-') && !last.starts_with("--") && last.ends_with('u');
    if PAIRS.contains(&last) || ends_in_user || is_of_httpie {
        return if is_pair(argument, command) { whole } else { None };
    }
    if argument.contains('/') && command.is_of_oracle() {
        let is_quoted = argument.trim_end_matches('\\').ends_with('/');
        return Some((start, end_of_quote(text, end + 1).filter(|_| is_quoted).unwrap_or(end)));
    }
    // A user of Redis: `ACL SETUSER shop on >hidden`.
    if argument.len() > 1 && argument.starts_with('>') && command.is_of_redis {
        return Some((start + 1, end));
    }
    // Windows' way: `/p:hidden`.
    if argument.starts_with("/p:") {
        return Some((start + "/p:".len(), end));
    }
    if let Some(pair) = argument.strip_prefix("-u").or_else(|| argument.strip_prefix("-U"))
        && is_pair(pair, command)
    {
        return Some((start + 2, end));
    }
    let before = &text[text.floor_char_boundary(start.saturating_sub(NEAR))..start];
    if before.trim_end_matches(['"', '\'', ' ']).ends_with("<<<") {
        return whole;
    }
    // OpenSSL's way to write a password: `-passin pass:hidden`.
    if argument.starts_with("pass:") && last.starts_with("-pass") {
        return Some((start + "pass:".len(), end));
    }
    if let Some(letters) = command.letters {
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
    if PLACES.iter().any(|(known, skipped)| command.has_place(known, *skipped)) {
        return whole;
    }
    let closed = end_of_quote(text, start).unwrap_or(end);
    let after = &text[closed..text.floor_char_boundary(closed + NEAR)];
    // Neither a switch nor the question for one.
    let is_value = !argument.starts_with('/') && argument != "*" && !prose::is_said(argument);
    let is_of_windows = || command.has_place("net user", 1) || command.is_of_share();
    if is_value && (is_of_windows() || command.is_login(before, argument, after)) {
        return Some((start, closed));
    }
    // `echo hidden | passwd --stdin`
    let near = &text[end..text.floor_char_boundary(end + NEAR)];
    let next = near.trim_start_matches(['"', '\'', ' ']).strip_prefix('|')?;
    let next = next.split(['|', '\n']).next().unwrap_or(next);
    let is_read = READERS.iter().any(|reader| next.contains(reader));
    let is_echoed = || command.words.iter().any(|word| matches!(*word, "echo" | "printf"));
    (is_read && is_echoed()).then_some((start, end))
}

/// The end of what starts here, if it is in quotes: they close on the same line.
fn end_of_quote(text: &str, start: usize) -> Option<usize> {
    let quote = text.get(..start)?.chars().next_back().filter(|c| "\"'".contains(*c))?;
    let near = &text[start..text.floor_char_boundary(start + NEAR)];
    near.find([quote, '\n']).filter(|end| near[*end..].starts_with(quote)).map(|end| start + end)
}

/// Whether this is a user and a password rather than the numeric ids of a user and a group.
fn is_pair(text: &str, command: &Command) -> bool {
    let Some((user, password)) = text.split_once([':', '%']) else { return false };
    let are_ids = [user, password].iter().all(|part| part.chars().all(|c| c.is_ascii_digit()));
    !password.is_empty() && (!are_ids || command.is_of_http)
}

#[cfg(test)]
mod tests {
    use super::{CLIENTS, without_passwords};

    #[test]
    fn password_of_a_client_program_is_replaced() {
        assert!(CLIENTS.is_sorted());
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
            (r"net use Z: \\srv\share hidden /user:shop", r"net use Z: \\srv\share # /user:shop"),
            ("a1 LOGIN shop hidden", "a1 LOGIN shop #"),
            ("login page broken", "login page broken"),
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
