//! The tables of `docs/calibration.md` about real runs, as the program makes them now.
//! `TUNEGATE_BLESS=1 cargo test --test it good_runs` writes them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use tunegate::layer::Role;
use tunegate::policy::{Aggregate, Limit, Rule};
use tunegate::spectrum::metric::Metric;

use super::*;

/// Holds the part of the page between two comments against `text`, or writes it there.
fn holds_part(name: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/calibration.md");
    let page = fs::read_to_string(&path).unwrap();
    let (begin, end) = (
        format!("<!-- begin {name} -->\n"),
        format!("<!-- end {name} -->"),
    );
    let (before, rest) = page.split_once(&begin).unwrap();
    let (stored, after) = rest.split_once(&end).unwrap();
    if std::env::var_os("TUNEGATE_BLESS").is_some() {
        let page = format!("{before}{begin}{text}{end}{after}");
        fs::write_atomic(&path, page.as_bytes()).unwrap();
    } else {
        assert_eq!(
            stored, text,
            "run `TUNEGATE_BLESS=1 cargo test --test it good_runs`"
        );
    }
}

/// One test, for each part is written into the same file.
#[test]
fn the_calibration_page_says_what_the_program_does() {
    let full = Recipe {
        shipped: "sft",
        good: &FULL,
        bad: &BAD,
        counts: [2, 3, 5],
    };
    let adapters = Recipe {
        shipped: "lora",
        good: &ADAPTERS,
        bad: &BAD_ADAPTERS,
        counts: [2, 3, 4],
    };
    let published = Recipe {
        shipped: "sft",
        good: &reaction::FULL,
        bad: &reaction::BAD,
        counts: [2, 3, 4],
    };
    holds_part("verdicts", &full.verdicts("run"));
    holds_part(
        "verdicts of adapters",
        &adapters.verdicts("adapter of rank 8 on q and v"),
    );
    let held = [full.held_out(), adapters.held_out()].concat();
    holds_part("held-out runs", &format!("{HELD_OUT}{held}"));
    let wrong = [full.gone_wrong(), adapters.gone_wrong()].concat();
    holds_part("runs gone wrong", &format!("{GONE_WRONG}{wrong}"));
    holds_part("limits", &full.limits());
    holds_part("published verdicts", &published.verdicts("run"));
    let held = published.held_out();
    holds_part("published held-out runs", &format!("{HELD_OUT}{held}"));
    let wrong = published.gone_wrong();
    holds_part("published runs gone wrong", &format!("{GONE_WRONG}{wrong}"));
    holds_part("published limits", &published.limits());
}

const HELD_OUT: &str = "\
| recipe | learnt from | held out | `init` fails | `init` warns | history fails | history warns |
|---|--:|--:|--:|--:|--:|--:|
";

const GONE_WRONG: &str = "\
| recipe | run | learnt from | choices | `init` fails | `init` warns | history fails | history warns |
|---|---|--:|--:|--:|--:|--:|--:|
";

/// How often each policy or history said what.
#[derive(Default)]
struct Tally {
    judged: usize,
    verdicts: BTreeMap<(&'static str, &'static str), usize>,
}

impl Tally {
    fn add(&mut self, policy: &Policy, good: &[&str], name: &str) {
        self.judged += 1;
        let fixed = verdict(policy, name).as_str();
        *self.verdicts.entry(("init", fixed)).or_default() += 1;
        let history = against(good, name).verdict.as_str();
        *self.verdicts.entry(("history", history)).or_default() += 1;
    }

    fn line(&self, head: &str) -> String {
        let of = |by, verdict| self.verdicts.get(&(by, verdict)).copied().unwrap_or(0);
        format!(
            "| {head} | {} | {} | {} | {} | {} |\n",
            self.judged,
            of("init", "fail"),
            of("init", "warn"),
            of("history", "fail"),
            of("history", "warn"),
        )
    }
}

struct Recipe {
    shipped: &'static str,
    good: &'static [&'static str],
    bad: &'static [&'static str],
    counts: [usize; 3],
}

impl Recipe {
    /// The shipped policy, and what `init` makes of the first good runs.
    fn policies(&self) -> Vec<Policy> {
        let made = self.counts.map(|count| self.learnt(&self.good[..count]));
        std::iter::once(Policy::load(self.shipped).unwrap())
            .chain(made)
            .collect()
    }

    fn learnt(&self, good: &[&str]) -> Policy {
        policy_of(&init(good, self.shipped).expect_code(0).stdout)
    }

    fn verdicts(&self, head: &str) -> String {
        let [two, three, most] = self.counts;
        let mut text = format!(
            "| {head} | `{}` | {two} runs | {three} runs | {most} runs |\n|---|---|---|---|---|\n",
            self.shipped
        );
        let policies = self.policies();
        let names = self.good.iter().enumerate();
        let bad = self.bad.iter().map(|name| (usize::MAX, name));
        for (index, name) in names.chain(bad) {
            let _ = write!(text, "| {} |", short(name));
            for (policy, count) in policies.iter().zip([0].iter().chain(&self.counts)) {
                let learnt = if index < *count { " (learnt from)" } else { "" };
                let _ = write!(text, " {}{learnt} |", verdict(policy, name).as_str());
            }
            text.push('\n');
        }
        text
    }

    /// Every choice of good runs, and what becomes of those that it leaves out.
    fn held_out(&self) -> String {
        let mut text = String::new();
        for count in self.counts {
            let mut tally = Tally::default();
            for (good, held) in choices(self.good, count) {
                let policy = self.learnt(&good);
                for name in held {
                    tally.add(&policy, &good, name);
                }
            }
            text.push_str(&tally.line(&format!("`{}` | {count}", self.shipped)));
        }
        text
    }

    /// Every choice of good runs, and what becomes of each run that went wrong or is of another recipe.
    fn gone_wrong(&self) -> String {
        let mut text = String::new();
        for count in self.counts {
            let mut tallies: BTreeMap<usize, Tally> = BTreeMap::new();
            for (good, _) in choices(self.good, count) {
                let policy = self.learnt(&good);
                for (index, name) in self.bad.iter().enumerate() {
                    tallies.entry(index).or_default().add(&policy, &good, name);
                }
            }
            for (index, tally) in tallies {
                let name = short(self.bad[index]);
                text.push_str(&tally.line(&format!("`{}` | {name} | {count}", self.shipped)));
            }
        }
        text
    }

    fn limits(&self) -> String {
        let [shipped, two, _, most] = &self.policies()[..] else {
            panic!("four policies");
        };
        let [fewest, _, count] = self.counts;
        let mut text = format!(
            "| median | `sft` warns | `sft` fails | {fewest} runs: warns | fails | {count} runs: warns | fails |\n|---|---|---|---|---|---|---|\n",
        );
        let mut line = |metric: Metric, role: Option<Role>, remark: &str| {
            let of = role.map_or_else(String::new, |role| format!(" of `{role}`{remark}"));
            let _ = write!(text, "| `{metric}`{of} |");
            for policy in [shipped, two, most] {
                let rule = median(policy, metric, role);
                let warn = rule.and_then(|rule| rule.warn);
                let fail = rule.and_then(|rule| rule.fail);
                let _ = write!(text, " {} | {} |", range(warn), range(fail));
            }
            text.push('\n');
        };
        for rule in &most.rules {
            if rule.id.starts_with("good-") && role(rule).is_none() && is_median(rule) {
                line(rule.metric, None, "");
            }
        }
        for metric in [
            Metric::RelativeUpdate,
            Metric::UpdateStableRank,
            Metric::UpdateEffectiveRank,
        ] {
            let mut roles: Vec<(f64, Role)> = most
                .rules
                .iter()
                .filter(|rule| rule.metric == metric && is_median(rule))
                .filter_map(|rule| Some((width(rule)?, role(rule)?)))
                .collect();
            roles.sort_by(|left, right| left.0.total_cmp(&right.0));
            line(metric, Some(roles[0].1), ", the narrowest");
            line(metric, Some(roles[roles.len() - 1].1), ", the widest");
        }
        text
    }
}

/// Without the folder and what all of a kind have in front.
fn short(name: &str) -> &str {
    name.trim_start_matches("reaction-runs/")
        .trim_start_matches("lora-")
}

fn is_median(rule: &Rule) -> bool {
    rule.aggregate == Aggregate::Median
}

fn role(rule: &Rule) -> Option<Role> {
    rule.select.roles.first().copied()
}

/// The rule of a median, where the policy has one.
fn median(policy: &Policy, metric: Metric, of: Option<Role>) -> Option<&Rule> {
    let mut rules = policy.rules.iter().filter(|rule| {
        rule.metric == metric && is_median(rule) && role(rule) == of && rule.select.globs.is_empty()
    });
    // The limits of `init` stand beside those of the policy that it extends.
    rules
        .clone()
        .find(|rule| rule.id.starts_with("good-"))
        .or_else(|| rules.next())
}

/// Of the limits that fail, on the scale of logarithms.
fn width(rule: &Rule) -> Option<f64> {
    let fail = rule.fail?;
    Some((fail.max?.get() / fail.min?.get()).ln())
}

fn range(limit: Option<Limit>) -> String {
    let Some(limit) = limit else {
        return "-".to_owned();
    };
    match (limit.min, limit.max) {
        (Some(min), Some(max)) => format!("{} to {}", min.get(), max.get()),
        (None, Some(max)) => format!("up to {}", max.get()),
        (Some(min), None) => format!("from {}", min.get()),
        (None, None) => "-".to_owned(),
    }
}
