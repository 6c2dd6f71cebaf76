//! The order of the modules, as `src/lib.rs` states it, and the size of files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tunegate::fs;

use crate::support::{repository, repository_text};

/// Tests included. A file that is longer has more than one subject.
const LONGEST_FILE: usize = 500;

/// Modules that may name `error`, which turns into the exit code.
const SEE_ERROR: &[&str] = &["commands", "main"];

/// The code without comments, and with empty text and character literals. Lines are kept.
fn code_only(source: &str) -> String {
    let characters: Vec<char> = source.chars().collect();
    let mut code = String::new();
    let mut at = 0;
    while at < characters.len() {
        let rest = &characters[at..];
        let length = match rest {
            ['/', '/', ..] => rest.iter().take_while(|c| **c != '\n').count(),
            ['/', '*', ..] => block_comment(rest),
            ['"', ..] => quoted(rest),
            ['r', '"' | '#', ..] if !ends_in_word(&code) => raw_string(rest),
            ['\'', '\\', ..] => {
                2 + rest[2..]
                    .iter()
                    .position(|c| *c == '\'')
                    .unwrap_or(0)
                    .max(1)
                    + 1
            }
            ['\'', _, '\'', ..] => 3,
            _ => 0,
        };
        if length == 0 {
            code.push(rest[0]);
            at += 1;
        } else {
            code.extend(rest[..length].iter().filter(|c| **c == '\n'));
            code.push(' ');
            at += length;
        }
    }
    code
}

fn ends_in_word(code: &str) -> bool {
    code.ends_with(|last: char| last.is_alphanumeric() || last == '_')
}

fn block_comment(text: &[char]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at + 1 < text.len() {
        match (text[at], text[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

fn quoted(text: &[char]) -> usize {
    let mut at = 1;
    while at < text.len() && text[at] != '"' {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// 0 where this is a raw identifier or a plain `r`.
fn raw_string(text: &[char]) -> usize {
    let hashes = text[1..].iter().take_while(|c| **c == '#').count();
    if text.get(1 + hashes) != Some(&'"') {
        return 0;
    }
    let end: String = std::iter::once('"')
        .chain("#".repeat(hashes).chars())
        .collect();
    let body: String = text[2 + hashes..].iter().collect();
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    2 + hashes + body[..length.min(body.len())].chars().count()
}

/// The code without its items under `#[cfg(test)]`, and the names of the modules among them.
fn without_tests(code: &str) -> (String, Vec<String>) {
    let mut kept = String::new();
    let mut modules = Vec::new();
    let mut rest = code;
    while let Some((before, after)) = rest.split_once("#[cfg(test)]") {
        kept.push_str(before);
        let end = item_end(after);
        let item = &after[..end];
        let words: Vec<&str> = item
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .collect();
        if item.trim_end().ends_with(';')
            && let Some(at) = words.iter().position(|word| *word == "mod")
        {
            modules.push(words[at + 1].to_owned());
        }
        rest = &after[end..];
    }
    kept.push_str(rest);
    (kept, modules)
}

/// Where an item ends: at its `;`, or at the brace that closes its first one.
fn item_end(text: &str) -> usize {
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            ';' if depth == 0 => return at + 1,
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    text.len()
}

/// Modules of the crate that the code names, with the line.
fn uses(code: &str, root: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(root) {
        if ends_in_word(&code[..at]) {
            continue;
        }
        let line = code[..at].matches('\n').count() + 1;
        let path = code[at + root.len()..].trim_start();
        let names = match path.strip_prefix('{') {
            Some(group) => first_names(group),
            None => vec![word(path)],
        };
        found.extend(names.into_iter().map(|name| (line, name)));
    }
    found
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// First segments of the paths in a group, up to its closing brace.
fn first_names(group: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0;
    let mut expected = true;
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' => expected |= depth == 0,
            _ if expected && character.is_alphabetic() => {
                names.push(word(&group[at..]));
                expected = false;
            }
            _ => {}
        }
    }
    names
}

/// Top module of a file under `src`.
fn module_of(relative: &Path) -> String {
    let first = relative.components().next().unwrap().as_os_str();
    first.to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// What a file of `module` names against the order, as `line: module`.
fn violations(module: &str, source: &str, order: &[String]) -> Vec<String> {
    let (code, _) = without_tests(&code_only(source));
    let rank = |name: &str| order.iter().position(|known| known == name);
    let allowed = |name: &str| {
        name == module
            || (name == "error" && SEE_ERROR.contains(&module))
            || rank(name).is_some_and(|used| rank(module).is_none_or(|own| used < own))
    };
    let root = if module == "main" {
        "tunegate::"
    } else {
        "crate::"
    };
    uses(&code, root)
        .into_iter()
        .filter(|(_, name)| !allowed(name))
        .map(|(line, name)| format!("{line}: {name}"))
        .collect()
}

/// The order in the documentation of `src/lib.rs`.
fn stated_order() -> Vec<String> {
    let text = repository_text("src/lib.rs").replace("\n//!", "");
    let (_, list) = text
        .split_once("A module may use only modules before it")
        .unwrap();
    let (_, list) = list.split_once("):").unwrap();
    let (list, _) = list.split_once('.').unwrap();
    let names = list.split('`').skip(1).step_by(2);
    names.map(str::to_owned).collect()
}

/// Rust files under a folder, in order.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for name in fs::list(folder).unwrap() {
        let path = folder.join(&name);
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Files of modules that only tests have.
fn test_only(files: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut exempt = BTreeSet::new();
    for file in files {
        let (_, modules) = without_tests(&code_only(&fs::read_to_string(file).unwrap()));
        let own = match file.file_stem().unwrap().to_str().unwrap() {
            "mod" | "lib" | "main" => file.parent().unwrap().to_path_buf(),
            stem => file.with_file_name(stem),
        };
        for module in modules {
            let folder = own.join(&module);
            let inside = |path: &&PathBuf| {
                path.starts_with(&folder) || **path == folder.with_extension("rs")
            };
            exempt.extend(files.iter().filter(inside).cloned());
        }
    }
    exempt
}

#[test]
fn a_module_uses_only_modules_before_it() {
    let source = repository("src");
    let order = stated_order();
    let files = rust_files(&source);
    let exempt = test_only(&files);
    assert!(files.len() > 50 && !exempt.is_empty());
    let mut found = Vec::new();
    for file in files.iter().filter(|file| !exempt.contains(*file)) {
        let relative = file.strip_prefix(&source).unwrap();
        let text = fs::read_to_string(file).unwrap();
        let here = violations(&module_of(relative), &text, &order);
        found.extend(
            here.iter()
                .map(|problem| format!("{}:{problem}", relative.display())),
        );
    }
    assert!(
        found.is_empty(),
        "against the order of src/lib.rs:\n{}",
        found.join("\n")
    );
}

#[test]
fn the_stated_order_names_every_module() {
    let text = repository_text("src/lib.rs");
    let modules: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .filter(|name| *name != "error")
        .map(str::to_owned)
        .collect();
    let stated = stated_order();
    assert_eq!(stated.len(), modules.len());
    assert_eq!(BTreeSet::from_iter(stated), modules);
}

#[test]
fn a_violation_is_reported_with_its_line() {
    let order: Vec<String> = ["num", "layer", "verdict"].map(str::to_owned).to_vec();
    let source = r##"
//! crate::verdict in a comment is nothing.
use crate::num;
use crate::{layer::{self, Role}, verdict::Finding};
const TEXT: &str = "crate::verdict";
const RAW: &str = r#"crate::verdict " "#;
const QUOTE: char = '"'; /* crate::verdict /* nested */ */
fn f<'a>(x: &'a str) -> crate::error::ExitStatus { crate::unknown::g(x) }
#[cfg(test)]
use crate::verdict;
#[cfg(test)]
mod tests { use crate::verdict; fn g() {} }
use other_crate::verdict;
"##;
    let found = violations("layer", source, &order);
    assert_eq!(found, ["4: verdict", "8: error", "8: unknown"]);
    assert!(violations("verdict", "use crate::layer;", &order).is_empty());
    assert_eq!(violations("num", "use crate::layer;", &order), ["1: layer"]);
    assert!(violations("commands", "use crate::error::ExitStatus;", &order).is_empty());
}

#[test]
fn a_module_of_tests_is_known_by_its_name() {
    let (code, modules) = without_tests("mod a;\n#[cfg(test)]\npub(crate) mod tests;\nmod b;");
    assert_eq!(modules, ["tests"]);
    assert!(code.contains("mod a;") && code.contains("mod b;"));
}

#[test]
fn no_file_is_too_long() {
    let files = ["src", "tests"].map(|folder| rust_files(&repository(folder)));
    let mut long = Vec::new();
    for file in files.concat() {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        if lines > LONGEST_FILE {
            long.push(format!("{}: {lines} lines", file.display()));
        }
    }
    assert!(
        long.is_empty(),
        "more than {LONGEST_FILE} lines:\n{}",
        long.join("\n")
    );
}
