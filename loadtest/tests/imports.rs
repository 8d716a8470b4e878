//! Which part may import which: docs/ARCHITECTURE.md draws the arrows, and this reads the `crate::` paths of the sources.

#[path = "support/sources.rs"]
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// For each part of the crate, what it may import: what stands above it, and of that no more than it needs. The first are
/// single files.
const ARROWS: [(&str, &[&str]); 22] = [
    ("bounds", &[]),
    ("input", &[]),
    ("pace", &[]),
    ("visible", &[]),
    ("error", &["visible"]),
    ("loopback", &["error"]),
    ("profile", &["bounds"]),
    ("schedule", &["profile"]),
    ("autoscaling", &["bounds", "input", "profile"]),
    ("journal", &["autoscaling", "bounds", "error", "input", "profile"]),
    ("stats", &["journal"]),
    ("merge", &["bounds", "error", "journal", "stats"]),
    ("output", &["autoscaling", "error", "journal", "profile", "stats", "visible"]),
    ("kube", &["error", "loopback", "output"]),
    ("generator", &["error", "journal", "pace", "profile", "schedule", "stats"]),
    ("report", &["autoscaling", "journal", "output", "pace", "profile", "stats"]),
    ("cli", &["bounds", "error", "journal", "output", "profile", "schedule"]),
    (
        "session",
        &[
            "autoscaling",
            "bounds",
            "cli",
            "error",
            "generator",
            "input",
            "journal",
            "output",
            "pace",
            "profile",
            "report",
            "stats",
        ],
    ),
    ("observe", &["autoscaling", "journal", "kube", "session"]),
    ("rehearse", &["autoscaling", "error", "journal", "loopback", "output", "pace", "session"]),
    ("doctor", &["autoscaling", "bounds", "error", "journal", "kube", "output", "profile", "stats"]),
    (
        "commands",
        &[
            "autoscaling",
            "cli",
            "doctor",
            "error",
            "input",
            "journal",
            "kube",
            "merge",
            "observe",
            "output",
            "profile",
            "rehearse",
            "report",
            "session",
        ],
    ),
];

/// The parts of the doctor, in layers: each may import those before it, and those of its own layer do not import each other.
const LAYERS: [&[&str]; 11] = [
    &["evidence", "link", "objects"],
    &["facts"],
    &["inventory", "redact"],
    &["fixes"],
    &["catalogue"],
    &["status"],
    &["findings"],
    &["diagnosis"],
    &["figures", "links", "metrics"],
    &["bundle", "collect"],
    &["overview", "render"],
];

#[test]
fn each_part_imports_only_what_its_arrows_allow() {
    let mut wrong = Vec::new();
    for (file, module, path) in imports() {
        let (from, to) = (&module[0], &path[0]);
        // The program, and the list of its parts.
        if from == to || ["lib", "main"].contains(&from.as_str()) {
            continue;
        }
        let allowed = ARROWS.iter().find(|(part, _)| part == from).map(|(_, allowed)| *allowed);
        let allowed = allowed.unwrap_or_else(|| panic!("{}: {from} is not in ARROWS", file.display()));
        if !allowed.contains(&to.as_str()) {
            wrong.push(format!("{}: {from} may not import {}", file.display(), path.join("::")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn within_the_doctor_imports_point_one_way() {
    let layer = |part: &str| LAYERS.iter().position(|layer| layer.contains(&part));
    let mut wrong = Vec::new();
    for (file, module, path) in imports() {
        let ([doctor, from, ..], [of, to, ..]) = (module.as_slice(), path.as_slice()) else { continue };
        if doctor != "doctor" || of != "doctor" || from == to {
            continue;
        }
        let [from, to] = [from, to].map(|part| {
            layer(part).unwrap_or_else(|| panic!("{}: doctor::{part} is in none of the LAYERS", file.display()))
        });
        if to >= from {
            wrong.push(format!("{}: imports {}", file.display(), path.join("::")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_link_imports_another() {
    let of_links = |path: &[String]| (path.len() > 2 && path[..2] == ["doctor", "links"]).then(|| path[2].clone());
    let wrong: Vec<_> = imports()
        .filter_map(|(file, module, path)| {
            let (from, to) = (of_links(&module)?, of_links(&path)?);
            (from != to).then(|| format!("{}: link {from} imports link {to}", file.display()))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_two_folders_import_each_other() {
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (_, module, path) in imports() {
        if module[0] != path[0] {
            edges.entry(module[0].clone()).or_default().insert(path[0].clone());
        }
    }
    // What nobody imports any more is taken away, until nothing is left or a circle is.
    loop {
        let done: Vec<_> = edges
            .iter()
            .filter(|(_, to)| !to.iter().any(|to| edges.contains_key(to)))
            .map(|(from, _)| from.clone())
            .collect();
        if done.is_empty() {
            break;
        }
        edges.retain(|from, _| !done.contains(from));
    }
    assert!(edges.is_empty(), "these import one another: {edges:?}");
}

/// Each path into the crate: the file, its module, and the path, without `crate`. Tests within a file are left out.
fn imports() -> impl Iterator<Item = (PathBuf, Vec<String>, Vec<String>)> {
    let (root, files) = (sources::root(), sources::all());
    assert!(files.len() > 100, "only {} files below {}", files.len(), root.display());
    files.into_iter().flat_map(move |file| {
        let relative = file.strip_prefix(&root).expect("it is below src").to_owned();
        let text = std::fs::read_to_string(&file).expect("a source can be read");
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let code: String =
            code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join(" ");
        let module = module(&relative);
        let own = if module == ["main"] { "loadtest::" } else { "crate::" };
        let paths: Vec<_> = code.match_indices(own).flat_map(|(at, _)| paths(&code[at + own.len()..])).collect();
        paths.into_iter().map(move |path| (relative.clone(), module.clone(), path))
    })
}

fn module(file: &Path) -> Vec<String> {
    let mut parts: Vec<_> = file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

/// The paths that a use tree, or a path, stands for: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(tree: &str) -> Vec<Vec<String>> {
    let name = |c: char| c.is_alphanumeric() || c == '_';
    let (mut path, mut rest) = (Vec::new(), tree);
    loop {
        if let Some(inner) = rest.strip_prefix('{') {
            let below = branches(inner).flat_map(paths);
            return below.map(|below| [path.clone(), below].concat()).collect();
        }
        let end = rest.find(|c| !name(c)).unwrap_or(rest.len());
        if end > 0 {
            path.push(rest[..end].to_owned());
        }
        match rest[end..].strip_prefix("::") {
            Some(next) if next.starts_with(|c| name(c) || c == '{') => rest = next,
            _ => return if path.is_empty() { Vec::new() } else { vec![path] },
        }
    }
}

/// The parts between the commas of a use tree, up to the brace that closes it.
fn branches(tree: &str) -> impl Iterator<Item = &str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                parts.push(tree[start..at].trim());
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(tree[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.into_iter().filter(|part| !part.is_empty())
}
