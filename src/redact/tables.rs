//! Columns of secrets in tables: a line of names, and lines of values below it.

use super::names::{is_password, secret};

/// What separates the cells of a line.
const BETWEEN: [&str; 5] = ["|", "\t", ",", ";", "  "];

/// Replaces each value below the name of a secret with `mark`.
pub fn without_columns(text: &str, mark: &str) -> String {
    let Some(between) = BETWEEN.into_iter().find(|between| text.lines().any(|line| !columns(line, between).is_empty()))
    else {
        return text.to_owned();
    };
    let mut kept = String::with_capacity(text.len());
    let (mut hidden, mut count) = (Vec::new(), 0);
    for line in text.split_inclusive('\n') {
        if !line.trim().is_empty() && line.trim().chars().all(|c| "-=+|: ".contains(c)) {
            kept.push_str(line);
            continue;
        }
        let cells = cells(line, between);
        let next = columns(line, between);
        if !next.is_empty() || cells.len() != count {
            (hidden, count) = (next, cells.len());
            kept.push_str(line);
            continue;
        }
        let mut from = 0;
        for column in &hidden {
            let (start, end) = cells[*column];
            if start < end && !line[start..].starts_with(mark) {
                kept.push_str(&line[from..start]);
                kept.push_str(mark);
                from = end;
            }
        }
        kept.push_str(&line[from..]);
    }
    kept
}

/// The columns that are headed by a secret's name, if this is a line of names.
fn columns(line: &str, between: &str) -> Vec<usize> {
    let cells = cells(line, between);
    let names: Vec<&str> = cells.iter().map(|(start, end)| &line[*start..*end]).collect();
    let is_name = |name: &str| name.chars().all(|c| c.is_alphanumeric() || "_-. ".contains(c)) && name.len() <= 40;
    if names.iter().filter(|name| !name.is_empty()).count() < 2 || !names.iter().all(|name| is_name(name)) {
        return Vec::new();
    }
    let is_secret = |name: &str| {
        let is_one = !name.contains(' ') || is_password(name);
        is_one && !name.eq_ignore_ascii_case("secrets") && secret(name).is_some()
    };
    (0..names.len()).filter(|at| is_secret(names[*at])).collect()
}

/// Where the cells of a line are, without the spaces and quotes around them.
fn cells(line: &str, between: &str) -> Vec<(usize, usize)> {
    let mut at = 0;
    let mut cells = Vec::new();
    for part in line.trim_end_matches(['\n', '\r']).split(between) {
        let begun = part.trim_start_matches([' ', '"', '\'']);
        let cell = begun.trim_end_matches([' ', '"', '\'']);
        let start = at + part.len() - begun.len();
        // Columns that are aligned have any number of spaces between them.
        if between != "  " || !cell.is_empty() {
            cells.push((start, start + cell.len()));
        }
        at += part.len() + between.len();
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::without_columns;

    #[test]
    fn column_below_a_name_is_replaced() {
        for (text, expected) in [
            (" user | password\n------+---------\n shop | hidden\n", " user | password\n------+---------\n shop | #\n"),
            ("user,password,url\nshop,hidden,x\n\nend", "user,password,url\nshop,#,x\n\nend"),
            ("NAME   TOKEN    AGE\na      hidden   1d", "NAME   TOKEN    AGE\na      #   1d"),
            ("| user | password |\n|---|---|\n| shop | hidden |", "| user | password |\n|---|---|\n| shop | # |"),
        ] {
            let once = without_columns(text, "#");
            assert_eq!(once, expected);
            assert_eq!(without_columns(&once, "#"), once);
        }
        for text in ["NAME   SECRETS   AGE\na      0         1d", "requested: pods=1, used: pods=2\nlimited: a=1, b=2"]
        {
            assert_eq!(without_columns(text, "#"), text);
        }
    }
}
