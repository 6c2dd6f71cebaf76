//! A run for a monitoring system, in the text format of
//! [OpenMetrics 1.0](https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md).
//!
//! All families are gauges, but for one info: `tunegate_verdict` is 1 for the verdict that was given and
//! 0 for the others, `tunegate_findings` counts by level, and each metric has a family of its own with
//! the medians over the matrices of the body, of all and of each role.

use std::collections::BTreeMap;

use crate::compare::Levels;
use crate::layer::Role;
use crate::num::Finite;
use crate::spectrum::metric::Metric;
use crate::verdict::Verdict;

const VERDICTS: [Verdict; 4] = [
    Verdict::Pass,
    Verdict::Warn,
    Verdict::Inconclusive,
    Verdict::Fail,
];

/// One run.
#[derive(Debug)]
pub struct Sample<'a> {
    /// Tell the run's series apart from those of others, and stay the same over its runs.
    pub labels: Vec<(&'static str, &'a str)>,
    /// What changes from run to run; only on `tunegate_run_info`.
    pub info: Vec<(&'static str, &'a str)>,
    pub verdict: Verdict,
    pub fail: u64,
    pub warn: u64,
    pub levels: &'a Levels,
    /// When the run was, in seconds since 1970.
    pub seconds: Option<i64>,
}

/// The runs as one document that ends with `# EOF`.
pub fn render(samples: &[Sample<'_>]) -> String {
    let mut out = String::new();
    family(&mut out, "tunegate_run", "info", "What was judged last.");
    for sample in samples {
        line(&mut out, "tunegate_run_info", sample, &sample.info, "1");
    }
    family(
        &mut out,
        "tunegate_verdict",
        "gauge",
        "1 for the verdict, 0 for the others.",
    );
    for sample in samples {
        for verdict in VERDICTS {
            let value = if verdict == sample.verdict { "1" } else { "0" };
            let labels = [("verdict", verdict.as_str())];
            line(&mut out, "tunegate_verdict", sample, &labels, value);
        }
    }
    family(&mut out, "tunegate_findings", "gauge", "Findings by level.");
    for sample in samples {
        for (level, count) in [("fail", sample.fail), ("warn", sample.warn)] {
            let labels = [("level", level)];
            line(
                &mut out,
                "tunegate_findings",
                sample,
                &labels,
                &count.to_string(),
            );
        }
    }
    if samples.iter().any(|sample| sample.seconds.is_some()) {
        let name = "tunegate_recorded_seconds";
        family(&mut out, name, "gauge", "Time of the run since 1970.");
        for sample in samples {
            if let Some(seconds) = sample.seconds {
                line(&mut out, name, sample, &[], &seconds.to_string());
            }
        }
    }
    metrics(&mut out, samples);
    out.push_str("# EOF\n");
    out
}

fn metrics(out: &mut String, samples: &[Sample<'_>]) {
    type Values<'a> = Vec<(&'a Sample<'a>, Option<Role>, Finite)>;
    let mut families: BTreeMap<Metric, Values<'_>> = BTreeMap::new();
    for sample in samples {
        for ((metric, role), value) in &sample.levels.0 {
            families
                .entry(*metric)
                .or_default()
                .push((sample, *role, *value));
        }
    }
    for (metric, values) in families {
        let name = format!("tunegate_{metric}");
        let help = format!("Median {metric} of the matrices of the body.");
        family(out, &name, "gauge", &help);
        for (sample, role, value) in values {
            let labels = [("role", role.map_or("all", Role::as_str))];
            line(out, &name, sample, &labels, &value.get().to_string());
        }
    }
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    out.extend([format!(
        "# TYPE {name} {kind}\n# HELP {name} {}\n",
        escaped(help)
    )]);
}

fn line(out: &mut String, name: &str, sample: &Sample<'_>, more: &[(&str, &str)], value: &str) {
    let own = sample.labels.iter().map(|(name, value)| (*name, *value));
    let labels: Vec<String> = own
        .chain(more.iter().copied())
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    out.extend([format!("{name}{{{}}} {value}\n", labels.join(","))]);
}

/// Backslash, quote and line end are what the format escapes; what a terminal would act on is made
/// visible first.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other if super::escape::is_hidden(other) => {
                out.push_str(&super::escape::terminal(&other.to_string()).replace('\\', "\\\\"));
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_end_its_quotes() {
        let levels = Levels::default();
        let sample = Sample {
            labels: vec![("policy", "a\"} 1\nb\\\u{1b}[31m")],
            info: Vec::new(),
            verdict: Verdict::Warn,
            fail: 0,
            warn: 2,
            levels: &levels,
            seconds: None,
        };
        let text = render(&[sample]);
        let expected =
            "tunegate_verdict{policy=\"a\\\"} 1\\nb\\\\\\\\u{1b}[31m\",verdict=\"warn\"} 1";
        assert!(text.lines().any(|line| line == expected), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }
}
