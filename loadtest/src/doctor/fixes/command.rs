//! A command to paste: bash, zsh, dash and fish read it alike, or there is none.

use serde_json::Value;

use crate::doctor::fixes::names::{is_key, is_kind, is_label, is_object, is_value};
use crate::output::is_hidden;

/// The longest argument, in bytes: half of what Linux takes.
const LONGEST: usize = 64 * 1024;

/// A command, built word by word, unless one of its arguments was refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Command(Option<String>);

impl Command {
    /// No command: an argument cannot be written for every shell.
    pub const fn refused() -> Self {
        Self(None)
    }

    /// Starts with words of the tool's own.
    pub fn new(words: &'static str) -> Self {
        Self(Some(words.to_owned()))
    }

    /// The command, where there is one.
    pub fn text(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// All of several commands, or none of them: the first without the second may do harm.
    pub fn all(commands: impl IntoIterator<Item = Self>) -> Vec<String> {
        commands.into_iter().map(|command| command.0).collect::<Option<_>>().unwrap_or_default()
    }

    /// More words of the tool's own, after a space; a shell obeys what is special in them.
    #[must_use]
    pub fn words(self, words: &'static str) -> Self {
        self.bare(words)
    }

    /// A word that is the same in every shell without quotes, after words of the tool's own that it ends, such as
    /// `--limits=memory=`.
    #[must_use]
    pub fn plain(self, words: &'static str, word: &str) -> Self {
        self.only_if(is_plain(word)).bare(&format!("{words}{word}"))
    }

    /// `-n NAMESPACE`, where there is one.
    #[must_use]
    pub fn namespace(self, namespace: &str) -> Self {
        if namespace.is_empty() { self } else { self.only_if(is_label(namespace)).words("-n").bare(namespace) }
    }

    /// An object, such as `deployment.apps/web`.
    #[must_use]
    pub fn object(self, object: &Value) -> Self {
        let kind = object["kind"].as_str().unwrap_or_default();
        let version = object["apiVersion"].as_str().unwrap_or_default();
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let dot = if group.is_empty() { "" } else { "." };
        self.only_if(is_kind(kind) && (group.is_empty() || is_object(group)) && is_object(name))
            .bare(&format!("{}{dot}{group}/{name}", kind.to_ascii_lowercase()))
    }

    /// The name of an object, after words of the tool's own, such as `pod/`.
    #[must_use]
    pub fn name(self, words: &'static str, name: &str) -> Self {
        self.only_if(is_object(name)).bare(&format!("{words}{name}"))
    }

    /// A label, such as `team=web`.
    #[must_use]
    pub fn label(self, key: &str, value: &str) -> Self {
        self.only_if(is_key(key) && is_value(value)).argument(&format!("{key}={value}"))
    }

    /// A label's value after words of the tool's own, such as `-l pod-template-hash=`.
    #[must_use]
    pub fn value(self, words: &'static str, value: &str) -> Self {
        self.only_if(!value.is_empty() && is_value(value)).bare(&format!("{words}{value}"))
    }

    /// Any text as one argument. A text with a character that cannot be seen is refused: it would not be copied as it is.
    #[must_use]
    pub fn argument(self, text: &str) -> Self {
        self.only_if(!text.chars().any(is_hidden)).block(text)
    }

    /// A document as one argument. Its contents are checked likewise; its text may have lines of the tool's own.
    #[must_use]
    pub fn document(self, contents: &Value, text: &str) -> Self {
        self.only_if(can_be_copied(contents)).block(text)
    }

    /// Lines of the tool's own as one argument. Values of others in them must have been checked.
    #[must_use]
    pub fn block(self, text: &str) -> Self {
        let shown = text.chars().all(|one| one == '\n' || !is_hidden(one));
        self.only_if(shown && text.len() <= LONGEST).bare(&quoted(text))
    }

    /// No command, unless this holds.
    #[must_use]
    pub fn only_if(self, holds: bool) -> Self {
        Self(self.0.filter(|_| holds))
    }

    /// A word that no shell interprets, or one of the tool's own.
    fn bare(self, word: &str) -> Self {
        Self(self.0.map(|command| format!("{command} {word}")))
    }
}

/// Whether a word is the same in every shell without quotes.
fn is_plain(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:/".contains(&byte))
}

/// Whether all texts of a document can be copied. Its own line breaks and tabs are escapes in JSON, and lines in YAML.
fn can_be_copied(contents: &Value) -> bool {
    let shown = |text: &str| text.chars().all(|one| matches!(one, '\n' | '\t') || !is_hidden(one));
    match contents {
        Value::String(text) => shown(text),
        Value::Array(items) => items.iter().all(can_be_copied),
        Value::Object(fields) => fields.iter().all(|(name, value)| shown(name) && can_be_copied(value)),
        _ => true,
    }
}

/// A text as one argument, to bash, zsh, dash and fish alike. Within single quotes the first three read every character as
/// itself; fish takes a backslash before a quote or a backslash for an escape. So both are written outside of the quotes,
/// where all four agree. No other character is special within them, not even the `!` of an interactive shell's history.
fn quoted(text: &str) -> String {
    let mut word = String::from("'");
    for character in text.chars() {
        match character {
            '\'' => word.push_str(r"'\''"),
            '\\' => word.push_str(r#"'"\\"'"#),
            other => word.push(other),
        }
    }
    word + "'"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_quote_and_a_backslash_are_outside_of_single_quotes() {
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(r"x\'; touch PWNED #"), r#"'x'"\\"''\''; touch PWNED #'"#);
    }

    #[test]
    fn an_argument_that_cannot_be_copied_is_refused_with_the_whole_command() {
        let line = || Command::new("kubectl");
        assert_eq!(line().argument("a b").text(), Some("kubectl 'a b'"));
        for hidden in ["a\nb", "a\tb", "\x1b", "\u{9b}", "\u{202e}", "\u{200b}"] {
            assert_eq!(line().argument(hidden).words("get"), Command::refused(), "{hidden:?}");
        }
        assert_eq!(line().argument(&"a".repeat(LONGEST + 1)), Command::refused());
        let says = json!({"a": ["x\ny"]});
        assert_eq!(line().document(&says, &says.to_string()).text(), Some(r#"kubectl '{"a":["x'"\\"'ny"]}'"#));
        for says in [json!("\u{9b}"), json!(["\u{202e}"]), json!({"\x1b": 1})] {
            assert_eq!(line().document(&says, ""), Command::refused(), "{says}");
        }
    }

    #[test]
    fn a_name_that_no_object_has_is_refused() {
        let object = |kind: &str, version: &str, name: &str| json!({"kind": kind, "apiVersion": version, "metadata": {"name": name}});
        let line = |object: &Value| Command::new("kubectl get").object(object);
        assert_eq!(line(&object("Deployment", "apps/v1", "web")).text(), Some("kubectl get deployment.apps/web"));
        assert_eq!(line(&object("Pod", "v1", "web-1")).text(), Some("kubectl get pod/web-1"));
        for (kind, version, name) in
            [("Pod", "v1", "a;b"), ("Pod", "v1", ""), ("P od", "v1", "a"), ("", "v1", "a"), ("Pod", "$(x)/v1", "a")]
        {
            assert_eq!(line(&object(kind, version, name)), Command::refused(), "{kind} {version} {name}");
        }
        assert_eq!(Command::new("kubectl").namespace("$(c)"), Command::refused());
        assert_eq!(Command::new("kubectl").namespace("").words("get pods").text(), Some("kubectl get pods"));
    }

    #[test]
    fn commands_are_all_there_or_none_is() {
        let there = Command::new("kubectl get pods");
        assert_eq!(Command::all(vec![there.clone(), there.clone()]).len(), 2);
        assert!(Command::all(vec![there, Command::refused()]).is_empty());
    }
}
