//! Remarks on lines of the policy: a checkpoint has no lines, the rule that fired has one.
//!
//! One remark for each rule and level, worst first. As workflow commands they go to the log, where
//! the runner takes ten errors and ten warnings of a step; a check run takes them by the fifty.

use std::fmt::Write as _;

use crate::code::{FindingCode, Level};
use crate::report::{Report, advice, escape, number};
use crate::verdict::Finding;

/// Errors, and also warnings, that the runner shows for one step.
const SHOWN_OF_A_KIND: usize = 10;
/// The runner cuts messages at 4,096 characters.
const MESSAGE_LIMIT: usize = 4_000;
/// GitHub cuts titles at 255 characters.
const TITLE_LIMIT: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    pub level: Level,
    /// Path from the root of the repository; `None` for a shipped policy, which has no file in it.
    pub path: Option<String>,
    pub line: Option<usize>,
    pub title: String,
    pub message: String,
}

/// One remark for each rule and level. `locate` turns the policy's source into a path from the root of
/// the repository.
pub fn remarks(report: &Report, locate: &dyn Fn(&str) -> Option<String>) -> Vec<Remark> {
    let mut groups: Vec<(Level, FindingCode, &str, Vec<&Finding>)> = Vec::new();
    for finding in report
        .judgement
        .findings
        .iter()
        .filter(|finding| finding.level != Level::Note)
    {
        let known = groups.iter_mut().find(|(level, code, rule, _)| {
            (*level, *code, *rule) == (finding.level, finding.code, finding.rule.as_str())
        });
        match known {
            Some((.., members)) => members.push(finding),
            None => groups.push((finding.level, finding.code, &finding.rule, vec![finding])),
        }
    }
    groups
        .iter()
        .filter_map(|(.., members)| remark(members, locate))
        .collect()
}

fn remark(members: &[&Finding], locate: &dyn Fn(&str) -> Option<String>) -> Option<Remark> {
    let worst = members.first()?;
    let path = worst
        .origin
        .as_ref()
        .and_then(|origin| locate(&origin.source));
    let line = worst.origin.as_ref().and_then(|origin| origin.line);
    let mut message = describe(worst);
    if members.len() > 1 {
        let _infallible = write!(message, " (and {} more)", members.len() - 1);
    }
    let _infallible = write!(message, ". What to do: {}.", advice::advice(worst.code));
    Some(Remark {
        level: worst.level,
        line: line.filter(|_| path.is_some()),
        path,
        title: cut(
            &format!("tunegate: {}", escape::terminal(&worst.rule)),
            TITLE_LIMIT,
        ),
        message: cut(&message, MESSAGE_LIMIT),
    })
}

/// Layer, value and limit, or the finding's own words.
fn describe(finding: &Finding) -> String {
    let layer = finding
        .layer
        .as_ref()
        .map_or("whole model", |layer| layer.as_str());
    let words = match (finding.metric, finding.observed, finding.limit) {
        (Some(metric), Some(observed), Some(limit)) => format!(
            "{} is {}, limit {}",
            metric.as_str(),
            number::beside(observed.get(), finding.limit),
            number::limit(limit)
        ),
        _ => escape::terminal(&finding.message),
    };
    format!("{}: {words}", escape::terminal(layer))
}

fn cut(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

/// The remarks as workflow commands, at most ten errors and ten warnings; the rest is counted.
pub fn commands(remarks: &[Remark]) -> String {
    let mut text = String::new();
    for level in [Level::Fail, Level::Warn] {
        let own: Vec<&Remark> = remarks
            .iter()
            .filter(|remark| remark.level == level)
            .collect();
        let hidden = own.len().saturating_sub(SHOWN_OF_A_KIND);
        for (index, remark) in own.iter().take(SHOWN_OF_A_KIND).enumerate() {
            let mut remark = (*remark).clone();
            if hidden > 0 && index + 1 == SHOWN_OF_A_KIND {
                let _infallible = write!(remark.message, " ({hidden} more rules: see the summary)");
            }
            text.push_str(&command(&remark));
        }
    }
    text
}

/// One notice.
pub fn notice(message: &str) -> String {
    command(&Remark {
        level: Level::Note,
        path: None,
        line: None,
        title: "tunegate".to_owned(),
        message: plain(message),
    })
}

/// Raw text without anything that acts in a log; its line ends stay, and are encoded in a command.
pub fn plain(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(escape::terminal).collect();
    cut(&lines.join("\n"), MESSAGE_LIMIT)
}

fn command(remark: &Remark) -> String {
    let Remark {
        level,
        path,
        line,
        title,
        message,
    } = remark;
    let name = match level {
        Level::Fail => "error",
        Level::Warn => "warning",
        Level::Note => "notice",
    };
    let mut properties = Vec::new();
    if let Some(path) = path {
        properties.push(format!("file={}", property(path)));
    }
    if let Some(line) = line {
        properties.push(format!("line={line}"));
    }
    properties.push(format!("title={}", property(title)));
    format!("::{name} {}::{}\n", properties.join(","), data(message))
}

/// What the runner decodes again in the text of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// As [`data`], and what separates properties.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remark(level: Level, title: &str) -> Remark {
        Remark {
            level,
            path: Some("policies/a,b:c.toml".to_owned()),
            line: Some(17),
            title: title.to_owned(),
            message: "100% of\r\n::error::x".to_owned(),
        }
    }

    #[test]
    fn a_command_is_one_line_whatever_its_text_holds() {
        assert_eq!(
            command(&remark(Level::Fail, "tunegate: alpha, drift")),
            "::error file=policies/a%2Cb%3Ac.toml,line=17,title=tunegate%3A alpha%2C drift\
             ::100%25 of%0D%0A::error::x\n"
        );
    }

    #[test]
    fn ten_errors_and_ten_warnings_are_shown_and_the_rest_counted() {
        let many: Vec<Remark> = (0..12)
            .flat_map(|_| [remark(Level::Warn, "w"), remark(Level::Fail, "f")])
            .collect();
        let text = commands(&many);
        assert_eq!(
            text.lines()
                .filter(|line| line.starts_with("::error "))
                .count(),
            10
        );
        assert_eq!(
            text.lines()
                .filter(|line| line.starts_with("::warning "))
                .count(),
            10
        );
        assert_eq!(text.matches("(2 more rules: see the summary)").count(), 2);
        assert_eq!(commands(&[]), "");
    }

    #[test]
    fn a_notice_cannot_start_another_command() {
        let text = notice("::stop-commands::x\n##[error]y");
        assert_eq!(text.lines().count(), 1);
        assert!(
            text.starts_with("::notice title=tunegate::\\u{3a}"),
            "{text}"
        );
        assert!(!text.contains("##["), "{text}");
    }
}
