//! `tunegate explain`: the section of the documentation on a finding code or a metric.

use super::{CommandError, Outcome};
use crate::cli::ExplainArgs;
use crate::code::FindingCode;
use crate::spectrum::metric::Metric;

const RULES: &str = include_str!("../../docs/rules.md");
const METRICS: &str = include_str!("../../docs/metrics.md");
/// Reported beside the metrics, but text.
const PHASE: &str = "phase";

pub(super) fn run(args: &ExplainArgs) -> Result<Outcome, CommandError> {
    let topic = args.topic.trim();
    let section = if topic.parse::<FindingCode>().is_ok() {
        section(RULES, topic)
    } else if topic.parse::<Metric>().is_ok() || topic == PHASE {
        section(METRICS, topic)
    } else {
        None
    };
    match section {
        Some(text) => Ok(Outcome::document(text)),
        None => Err(CommandError::UnknownTopic {
            topic: topic.to_owned(),
            near: near(topic),
        }),
    }
}

/// The text from `## topic` to the next heading.
fn section(document: &str, topic: &str) -> Option<String> {
    let mut lines = document
        .lines()
        .skip_while(|line| line.strip_prefix("## ") != Some(topic));
    let heading = lines.next()?.trim_start_matches("## ").to_owned();
    let body: Vec<&str> = lines.take_while(|line| !line.starts_with('#')).collect();
    Some(format!("{heading}\n{}\n", body.join("\n").trim_end()))
}

/// Codes and metrics that share the topic's longest word.
fn near(topic: &str) -> Vec<&'static str> {
    let words: Vec<&str> = topic
        .split(['-', '_', ' '])
        .filter(|word| word.len() >= 3)
        .collect();
    let names = FindingCode::ALL
        .iter()
        .map(|code| code.as_str())
        .chain(Metric::ALL.iter().map(|metric| metric.as_str()));
    names
        .filter(|name| words.iter().any(|word| name.contains(word)))
        .take(6)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_and_every_metric_has_its_section() {
        for code in FindingCode::ALL {
            let text = section(RULES, code.as_str()).unwrap_or_else(|| panic!("{code}"));
            for part in ["**What.**", "**Why.**", "**Default.**", "**What to do.**"] {
                assert!(text.contains(part), "{code} lacks {part}");
            }
        }
        for metric in Metric::ALL {
            let text = section(METRICS, metric.as_str()).unwrap_or_else(|| panic!("{metric}"));
            assert!(text.lines().count() > 2, "{metric} has an empty section");
        }
    }

    #[test]
    fn no_heading_is_left_over() {
        let known: std::collections::BTreeSet<&str> = FindingCode::ALL
            .iter()
            .map(|code| code.as_str())
            .chain(Metric::ALL.iter().map(|metric| metric.as_str()))
            .chain([PHASE])
            .collect();
        let headings = RULES
            .lines()
            .chain(METRICS.lines())
            .filter_map(|line| line.strip_prefix("## "));
        for heading in headings {
            assert!(
                known.contains(heading),
                "`{heading}` is no code and no metric"
            );
        }
    }

    #[test]
    fn a_section_ends_at_the_next_heading() {
        let text = section(RULES, "no-op").unwrap();
        assert!(text.starts_with("no-op\n"));
        assert!(!text.contains("wrong-base"));
    }
}
