//! Addresses that are linked in Markdown.

use url::Url;

/// `text` as the target of a link, where it is an address of the web; nothing in it can end the link.
pub(super) fn web_address(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let web = matches!(url.scheme(), "http" | "https") && url.has_host();
    let secret = !url.username().is_empty() || url.password().is_some();
    if !web || secret {
        return None;
    }
    let escaped = |c| match c {
        '(' => "%28".to_owned(),
        ')' => "%29".to_owned(),
        '<' => "%3C".to_owned(),
        '>' => "%3E".to_owned(),
        '\\' => "%5C".to_owned(),
        plain => String::from(plain),
    };
    Some(url.as_str().chars().map(escaped).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_web_are_linked_and_none_can_end_its_link() {
        let plain = "https://reports.example/a/b.html?x=1#y";
        assert_eq!(web_address(plain).as_deref(), Some(plain));
        for text in [
            "javascript:alert(1)",
            "report.html",
            "file:///etc/passwd",
            "https://me:key@host/a",
        ] {
            assert_eq!(web_address(text), None, "{text}");
        }
        for text in [
            "https://h/a)b(c",
            "https://h/a b",
            "https://h/a#x)\n[y](https://z)",
            "https://h/a#<b>\\",
        ] {
            let url = web_address(text).unwrap();
            assert!(
                url.is_ascii() && !url.contains(['(', ')', '<', '>', ' ', '\n', '\\']),
                "{url}"
            );
        }
    }
}
