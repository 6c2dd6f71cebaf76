//! Text that comes from a checkpoint, a policy or a command line, made safe to show.
//!
//! Whoever opens a pull request chooses the tensor names, so nothing is trusted: a name may hold
//! terminal sequences, bidirectional overrides, `@` mentions, table pipes or HTML. What a reader
//! could not see or what would act is written as a visible `\u{hex}`.
//!
//! In Markdown a name is limited to an allow-list and stands in one code span, where a backtick can
//! never occur; prose keeps its letters, and every other punctuation mark becomes a numeric entity,
//! which Markdown never takes for structure. GitHub looks for mentions and references after
//! entities are decoded, so a word that holds one is moved into a code span, which it leaves alone.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::term::push_hex;
pub use crate::term::{is_hidden, visible as terminal};

/// Longest name in Markdown, in characters; longer ones lose their middle.
pub const MARKDOWN_NAME_LIMIT: usize = 96;
/// Longest path, reference or rule id in Markdown, in characters.
pub const MARKDOWN_CODE_LIMIT: usize = 200;
/// Longest sentence in Markdown, in characters.
pub const MARKDOWN_TEXT_LIMIT: usize = 400;

const ELLIPSIS: char = '…';

/// The text for HTML content and quoted attributes.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other if is_hidden(other) => push_hex(&mut out, other),
            other => out.push(other),
        }
    }
    out
}

/// A sentence for HTML content. Words between backticks become `code` elements.
pub fn html_text(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return html(text);
    }
    let mut out = String::with_capacity(text.len());
    for (index, part) in parts.into_iter().enumerate() {
        if index % 2 == 0 {
            out.push_str(&html(part));
        } else if !part.is_empty() {
            out.push_str("<code>");
            out.push_str(&html(part));
            out.push_str("</code>");
        }
    }
    out
}

/// A layer or tensor name as one Markdown code span.
pub fn markdown_name(name: &str) -> String {
    code_span(name, MARKDOWN_NAME_LIMIT, |character, _, _| {
        is_name_character(character)
    })
}

/// A path, reference, rule id or policy name as one Markdown code span. Wider than a name: `hf://`
/// references and `file:line` stay readable; `@` and `#` stay only where they cannot mention or
/// refer (`owner/name@revision`, `file#key`).
pub fn markdown_code(text: &str) -> String {
    code_span(text, MARKDOWN_CODE_LIMIT, is_code_character)
}

/// A sentence in Markdown, on one line. Words between backticks become code spans.
pub fn markdown_text(text: &str) -> String {
    let text = cut_end(text, MARKDOWN_TEXT_LIMIT);
    let segments: Vec<&str> = text.split('`').collect();
    let balanced = segments.len() % 2 == 1;
    let mut out = String::with_capacity(text.len());
    if balanced {
        for (index, segment) in segments.iter().enumerate() {
            if index % 2 == 0 {
                push_prose(&mut out, segment);
            } else if !segment.is_empty() {
                push_code_span(&mut out, &markdown_code(segment));
            }
        }
    } else {
        push_prose(&mut out, &text);
    }
    out
}

/// Shortens in the middle to at most `columns` terminal columns; both ends say most about a name.
pub fn shorten(text: &str, columns: usize) -> Cow<'_, str> {
    if text.width() <= columns {
        return Cow::Borrowed(text);
    }
    let room = columns.saturating_sub(1);
    let head = take_columns(text.chars(), room / 2);
    let tail: String = take_columns(text.chars().rev(), room - room / 2)
        .chars()
        .rev()
        .collect();
    Cow::Owned(format!("{head}{ELLIPSIS}{tail}"))
}

fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '-' | '/' | '[' | ']')
}

fn is_code_character(character: char, before: Option<char>, after: Option<char>) -> bool {
    match character {
        '@' => before.is_some_and(|character| character.is_ascii_alphanumeric()),
        '#' => after.is_some_and(|character| character.is_ascii_alphabetic()),
        ' ' => before.is_some() && after.is_some(),
        ':' | '+' | '=' | ',' | '*' | '%' => true,
        other => is_name_character(other),
    }
}

fn code_span(
    text: &str,
    limit: usize,
    allowed: fn(char, Option<char>, Option<char>) -> bool,
) -> String {
    let characters = ends(text, limit);
    let mut out = String::with_capacity(text.len());
    for (index, character) in characters.iter().copied().enumerate() {
        let before = index.checked_sub(1).map(|index| characters[index]);
        if allowed(character, before, characters.get(index + 1).copied()) {
            out.push(character);
        } else {
            push_hex(&mut out, character);
        }
    }
    if out.is_empty() {
        out.push_str("\\u{}");
    }
    format!("`{}`", shorten(&out, limit))
}

/// Two code spans must not touch: their backticks would merge into another delimiter.
fn push_code_span(out: &mut String, span: &str) {
    if out.ends_with('`') {
        out.push(' ');
    }
    out.push_str(span);
}

fn push_prose(out: &mut String, text: &str) {
    if text.starts_with(char::is_whitespace) && !out.is_empty() {
        out.push(' ');
    }
    let mut first = true;
    for word in text.split_whitespace() {
        if !first {
            out.push(' ');
        }
        first = false;
        if acts_on_github(word) {
            push_code_span(out, &markdown_code(word));
        } else {
            word.chars()
                .for_each(|character| push_plain(out, character));
        }
    }
    if !first && text.ends_with(char::is_whitespace) {
        out.push(' ');
    }
}

/// Mentions, issue references, addresses and commit ids, which GitHub links outside code spans; `:names:`
/// of its pictures, and dollars, which start a formula.
fn acts_on_github(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    let commit_id =
        |part: &str| part.len() >= 7 && part.chars().all(|character| character.is_ascii_hexdigit());
    word.contains(['@', '#', '$'])
        || word.matches(':').count() > 1
        || lower.contains("://")
        || lower.contains("www.")
        || lower.contains("gh-")
        || word
            .split(|character: char| !character.is_ascii_alphanumeric())
            .any(|part| commit_id(part) && part.contains(|c: char| c.is_ascii_alphabetic()))
}

fn push_plain(out: &mut String, character: char) {
    let line_start = out.is_empty();
    match character {
        other if is_hidden(other) => push_hex(out, other),
        '.' | ',' | ':' | ';' | '%' | '(' | ')' | '\'' | '"' | '+' | '=' | '-' | '/' | '?'
        | '!'
            if !line_start =>
        {
            out.push(character);
        }
        other if other.is_ascii_punctuation() => {
            out.push_str("&#");
            out.push_str(&u32::from(other).to_string());
            out.push(';');
        }
        other => out.push(other),
    }
}

/// The characters that can reach a code span of `limit` characters: a long text loses its middle
/// later anyway, and escaping never shortens.
fn ends(text: &str, limit: usize) -> Vec<char> {
    let mut characters: Vec<char> = text.chars().collect();
    if let Some(surplus) = characters.len().checked_sub(2 * limit + 1) {
        characters.drain(limit..=limit + surplus);
    }
    characters
}

fn cut_end(text: &str, limit: usize) -> Cow<'_, str> {
    if text.chars().count() <= limit {
        return Cow::Borrowed(text);
    }
    let mut cut: String = text.chars().take(limit.saturating_sub(1)).collect();
    cut.push(ELLIPSIS);
    Cow::Owned(cut)
}

fn take_columns(characters: impl Iterator<Item = char>, columns: usize) -> String {
    let mut used = 0;
    characters
        .take_while(|character| {
            used += character.width().unwrap_or(0);
            used <= columns
        })
        .collect()
}

#[cfg(test)]
mod tests;
