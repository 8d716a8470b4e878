//! The tokens of a query, as far as its series and ranges need them. Actions of a rule's template come out as signs and words.
//!
//! Source: `promql/parser/lex.go` of Prometheus 3.

/// A token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// A name: of a series, a function, an operator or a modifier.
    Word(&'a str),
    /// A number or a duration.
    Number,
    /// A string.
    Text,
    /// What stands in braces.
    Braces(&'a str),
    /// What stands in brackets.
    Brackets(&'a str),
    /// Any other character.
    Sign(char),
    /// Braces, brackets or a string without an end. It is the last token.
    Unended,
}

/// The tokens of a query, in order.
pub(super) struct Tokens<'a>(pub &'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let text = skipped(self.0);
        let first = text.chars().next()?;
        let (token, rest) = match first {
            '{' => enclosed(text, '}').map_or((Token::Unended, ""), |(inside, rest)| (Token::Braces(inside), rest)),
            '[' => enclosed(text, ']').map_or((Token::Unended, ""), |(inside, rest)| (Token::Brackets(inside), rest)),
            '"' | '\'' | '`' => string_end(text).map_or((Token::Unended, ""), |end| (Token::Text, &text[end..])),
            c if is_digit(c) || (c == '.' && text[1..].starts_with(is_digit)) => {
                // With its unit or its exponent.
                (Token::Number, text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '.'))
            }
            c if is_word(c) => {
                let (word, rest) = text.split_at(text.find(|c| !is_word(c)).unwrap_or(text.len()));
                (Token::Word(word), rest)
            }
            c => (Token::Sign(c), &text[c.len_utf8()..]),
        };
        self.0 = rest;
        Some(token)
    }
}

/// A text without the blanks and comments that it starts with.
fn skipped(text: &str) -> &str {
    let mut text = text.trim_start();
    while let Some(comment) = text.strip_prefix('#') {
        text = comment.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
    }
    text
}

/// What stands between the character that a text starts with and this one, outside of strings; and what follows.
fn enclosed(text: &str, end: char) -> Option<(&str, &str)> {
    let mut at = 1;
    loop {
        let rest = &text[at..];
        let next = rest.find([end, '"', '\'', '`'])?;
        at += next;
        if rest[next..].starts_with(end) {
            return Some((&text[1..at], &text[at + 1..]));
        }
        at += string_end(&text[at..])?;
    }
}

/// Where the string ends that a text starts with.
fn string_end(text: &str) -> Option<usize> {
    let quote = text.chars().next()?;
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == quote && !escaped;
        escaped = quote != '`' && *c == '\\' && !escaped;
        ends
    });
    end.map(|(at, _)| at + 1)
}

/// The string that a text starts with, without its quotes and escapes, and what follows it.
pub(super) fn quoted(text: &str) -> Option<(String, &str)> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    let (inside, rest) = text.split_at(string_end(text)?);
    let inside = &inside[1..inside.len() - 1];
    if quote == '`' {
        return Some((inside.to_owned(), rest));
    }
    let (mut value, mut characters) = (String::new(), inside.chars());
    while let Some(c) = characters.next() {
        value.push(match c {
            '\\' => match characters.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                escaped @ ('\\' | '"' | '\'') => escaped,
                // By its number, which no name in the wild is written with.
                _ => return None,
            },
            c => c,
        });
    }
    Some((value, rest))
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

pub(super) fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | ':')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::autoscaling::promql::lexer::Token::{Braces, Brackets, Number, Sign, Text, Unended, Word};

    #[test]
    fn a_query_has_these_tokens() {
        let query = "sum(rate(a_total{b=~\"[}\\\"]\"}[2m] offset 5m)) # [1m]\n/ .5e3 > 'x'";
        let expected = [
            Word("sum"),
            Sign('('),
            Word("rate"),
            Sign('('),
            Word("a_total"),
            Braces(r#"b=~"[}\"]""#),
            Brackets("2m"),
            Word("offset"),
            Number,
            Sign(')'),
            Sign(')'),
            Sign('/'),
            Number,
            Sign('>'),
            Text,
        ];
        assert_eq!(Tokens(query).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn an_unended_token_is_the_last() {
        for query in ["{a=\"}\"", "[2m", "'x\\'", "`x", "{a='}"] {
            assert_eq!(Tokens(query).collect::<Vec<_>>(), [Unended], "{query}");
        }
    }

    #[test]
    fn escapes_in_strings_are_decoded() {
        assert_eq!(quoted(r#""a\"\\\n" b"#), Some(("a\"\\\n".to_owned(), " b")));
        assert_eq!(quoted(r"`a\n`"), Some((r"a\n".to_owned(), "")));
        assert_eq!([r#""\x41""#, "a", "\"a", ""].map(quoted), [None, None, None, None]);
    }
}
