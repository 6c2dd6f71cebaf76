//! Names of files that someone else chose.

/// Whether a name can only mean a file at or below the folder that lists it, on every system and in
/// every address: relative, and no part is empty, `.`, `..` or holds `\`, `:` or a control character.
pub(in crate::checkpoint) fn is_plain(name: &str) -> bool {
    !name.contains(['\\', ':'])
        && !name.chars().any(char::is_control)
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_names_pass() {
        for name in [
            "a",
            "a/b.safetensors",
            "..a",
            "a..b",
            "model 1.json",
            "%2e%2e",
        ] {
            assert!(is_plain(name), "{name}");
        }
        for name in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "../a",
            "a/../b",
            "./a",
            "a\\b",
            "c:a",
            "a\0",
            "a\nb",
            "a\u{7f}",
            "http://host/a",
        ] {
            assert!(!is_plain(name), "{name:?}");
        }
    }
}
