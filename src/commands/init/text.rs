//! The text of the new policy.

use std::fmt::Write as _;

use crate::calibrate::Scale;
use crate::cli::InitArgs;
use crate::code::{CodeGroup, FindingCode, Level};
use crate::policy::{BaselineSettings, Policy};
use crate::verdict::baseline::{
    Basis, Bounds, CalibratedLimit, GoodRuns, LayerModel, Scope, Untouched, calibrated, untouched,
};

/// Digits of a limit.
const DIGITS: i32 = 4;
/// A limit farther from the highest centre than this factor would let everything pass.
const VAGUE: f64 = 100.0;

const WITHOUT: &str = "\
# No limits could be learnt: that takes ASKED good runs of one recipe or more, with different seeds or
# data orders, and GIVEN given:
#
#     tunegate init --base BASE --good RUN1 --good RUN2 > gate.toml
#
# Until then the limits of the policy below hold. They were made for any model of the recipe, and a
# run that went wrong without looking broken passes them.
";

const RULE_HELP: &str = r#"
# A rule of your own:
#
# [[rule]]
# id = "alpha-drift"                     # unique; the id of an inherited rule replaces it
# metric = "alpha_drift"                 # `tunegate explain METRIC`
# layers = ["*.self_attn.*"]             # globs on layer names; default: every matrix of the body
# roles = ["attention.q"]                # and-ed with layers; default: any
# depth = "0%..25%"                      # a band of the blocks; default: all
# absolute = false                       # true compares the value without its sign
# undefined = "skip"                     # a metric without a value: "skip", "warn" or "fail"
# aggregate = "each"                     # or "mean", "median", "max", "min" of the selected layers
# warn = { max = 0.10 }                  # min, max or both
# fail = { max = 0.30, at_least = 1 }    # so many layers (2), or such a share ("2%"), must be outside
#
# A finding that is known and accepted for a while:
#
# [[waiver]]
# rule = "alpha-drift"                   # id of a rule, or a code
# layers = ["model.layers.0.*"]          # default: all
# ceiling = 0.50                         # past it the finding comes back; default: none
# owner = "ml-platform"
# reason = "vocabulary was extended"
# until = "2026-12-31"                   # the last day on which it holds
"#;

/// A policy without limits of its own, from fewer good runs than are `asked` for.
pub(super) fn without_limits(
    args: &InitArgs,
    recipe: &Policy,
    count: usize,
    asked: usize,
) -> String {
    let given = match count {
        0 => "none was".to_owned(),
        1 => "only one was".to_owned(),
        count => format!("only {count} were"),
    };
    let mut text = WITHOUT
        .replace("ASKED", &asked.to_string())
        .replace("GIVEN", &given);
    settings(&mut text, args, recipe);
    text.push_str(RULE_HELP);
    text
}

/// A policy with limits from good runs.
pub(super) fn with_limits(
    args: &InitArgs,
    recipe: &Policy,
    good: &GoodRuns<'_>,
    models: &[LayerModel<'_>],
) -> String {
    let mut text = String::new();
    head(&mut text, good, &recipe.baseline);
    settings(&mut text, args, recipe);
    let mut last = None;
    for limit in calibrated(good, models, &recipe.baseline) {
        let section = section(limit.scope);
        if last != Some(section) {
            text.push('\n');
            text.push_str(section);
            last = Some(section);
        }
        rule(&mut text, &limit, good);
    }
    for role in untouched(good) {
        untouched_rule(&mut text, role, good);
    }
    text.push_str(RULE_HELP);
    text
}

fn head(text: &mut String, good: &GoodRuns<'_>, settings: &BaselineSettings) {
    let count = good.setting().count();
    let _ = writeln!(text, "# Limits from {count} good runs:");
    for run in good.setting() {
        let _ = writeln!(text, "#   {}", one_line(&run.id));
    }
    let _ = write!(
        text,
        "# They belong to this base and recipe. Another learning rate, other data or another length is another
# recipe and needs new limits: run `tunegate init` again on runs of it.
#
# Each limit is a centre and so many spreads: standard deviations on the metric's scale, which is that of
# logarithms for sizes and ranks. The spread is pooled with what good runs of other models scatter, and
# the number leaves room for both being uncertain. `warn` holds 95 % and `fail` 99 % of all good runs with a
# confidence of 95 %. Of sound runs that scatter as assumed, all limits together warn of {} % at most
# and fail {} %. No limit is tighter than the least difference that matters, or than the runs given.
",
        percent(settings.false_discovery_rate.get()),
        percent(settings.family_wise_error.get())
    );
    if count == 2 {
        text.push_str(
            "# Two runs say little about the scatter, so these limits are wide. Three to five make them narrower.\n",
        );
    }
}

/// A share in percent, to the digits that it has.
fn percent(share: f64) -> String {
    let digits = rounded(100.0 * share, f64::round);
    digits.strip_suffix(".0").unwrap_or(&digits).to_owned()
}

/// A name in a comment must not end it.
fn one_line(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn settings(text: &mut String, args: &InitArgs, recipe: &Policy) {
    // A JSON string is a TOML string.
    let quoted = |value: &str| serde_json::Value::from(one_line(value)).to_string();
    let _ = write!(
        text,
        "version = 1
name = \"calibrated\"                      # shown in reports
extends = {}                    # a shipped policy, or a path relative to this file

[coverage]
# Share of the matrix parameters that must have been compared; below it the run is inconclusive.
# min = {}

[hygiene]
# Level of each exact check: \"fail\", \"warn\" or \"allow\". `tunegate explain CODE` says what it is.
",
        quoted(&args.policy),
        recipe.coverage_min.get()
    );
    for code in FindingCode::ALL {
        if code.group() == CodeGroup::Hygiene {
            let level = recipe.hygiene_level(*code).map_or("allow", Level::as_str);
            let _ = writeln!(text, "# {code} = \"{level}\"");
        }
    }
    let baseline = recipe.baseline;
    let _ = write!(
        text,
        "
# Pins the base, so that a pull request cannot swap it. Default: none.
# [base]
# ref = {}

[baseline]
# Limits learnt anew from the accepted runs of a history (`check --history STORE`), beside those below.
# min_runs = {}                         # accepted runs that it takes
# required = {}                     # true: without them the run is inconclusive; false: a note
# family_wise_error = {}             # chance that a sound run fails
# false_discovery_rate = {}          # share of chance among what warns
",
        quoted(&args.base),
        baseline.min_runs,
        baseline.required,
        baseline.family_wise_error.get(),
        baseline.false_discovery_rate.get()
    );
}

fn section(scope: Scope) -> &'static str {
    match scope {
        Scope::Model => "# The model: medians over all matrices of the body.\n",
        Scope::Role(_) => "# Medians of each role.\n",
        Scope::Layers(_) => {
            "# Every layer of a role at once: from the lowest layer's lower limit to the highest layer's upper. The\n\
             # spread is that of the layer in the middle.\n"
        }
    }
}

/// So few runs say so little about it that the limit would be none.
fn is_vague(limit: &CalibratedLimit, bounds: Bounds) -> bool {
    match limit.judged.scale {
        // Not a number is vague as well.
        Scale::Log => bounds.max / limit.centre.1 > VAGUE || !bounds.max.is_finite(),
        Scale::Identity => !bounds.min.is_finite() || !bounds.max.is_finite(),
    }
}

fn rule(text: &mut String, limit: &CalibratedLimit, good: &GoodRuns<'_>) {
    let metric = limit.judged.metric;
    let runs = good.setting().count();
    let vague = (is_vague(limit, limit.warn), is_vague(limit, limit.fail));
    if vague.0 && vague.1 {
        let of = match limit.scope {
            Scope::Model => String::new(),
            Scope::Role(role) => format!(" of {role}"),
            Scope::Layers(role) => format!(" of single layers of {role}"),
        };
        let _ = writeln!(
            text,
            "\n# {metric}{of}: no limit, for {runs} runs say too little for one."
        );
        return;
    }
    let (spread, unit) = match limit.judged.scale {
        Scale::Log => (100.0 * limit.spread.sd, " %"),
        Scale::Identity => (limit.spread.sd, ""),
    };
    let (low, high) = limit.centre;
    let centre = if (high - low).abs() <= 0.0 {
        format!("centre {}", rounded(low, f64::round))
    } else {
        format!(
            "{} layers, centres {} to {}",
            limit.layers,
            rounded(low, f64::round),
            rounded(high, f64::round)
        )
    };
    let _ = writeln!(
        text,
        "\n# {runs} runs, {centre}, pooled spread {}{unit} ({:.0} degrees of freedom); warns at {}, fails at {}.",
        rounded(spread, f64::round),
        limit.spread.df,
        width(limit.factor.0, limit.basis.0),
        width(limit.factor.1, limit.basis.1)
    );
    let name = metric.as_str().replace('_', "-");
    let (id, roles, aggregate) = match limit.scope {
        Scope::Model => (format!("good-{name}"), None, "median"),
        Scope::Role(role) => (format!("good-{name}-{role}"), Some(role), "median"),
        Scope::Layers(role) => (format!("good-{name}-{role}-each"), Some(role), "each"),
    };
    let _ = writeln!(text, "[[rule]]\nid = \"{id}\"\nmetric = \"{metric}\"");
    if let Some(role) = roles {
        let _ = writeln!(text, "roles = [\"{role}\"]");
    }
    let _ = writeln!(text, "aggregate = \"{aggregate}\"");
    for (level, limit, vague) in [("warn", limit.warn, vague.0), ("fail", limit.fail, vague.1)] {
        if vague {
            let _ = writeln!(text, "# No `{level}`: {runs} runs say too little for one.");
        } else {
            let _ = writeln!(text, "{level} = {}", bounds(limit));
        }
    }
}

/// What the distance of a limit from its centre is.
fn width(factor: f64, basis: Basis) -> String {
    match basis {
        Basis::Spread => format!("{factor:.1} spreads"),
        Basis::Effect => "the least that matters".to_owned(),
        Basis::Seen => "the runs themselves".to_owned(),
    }
}

fn untouched_rule(text: &mut String, role: Untouched, good: &GoodRuns<'_>) {
    let Untouched { role, layers } = role;
    let runs = good.setting().count();
    let _ = write!(
        text,
        "
# None of the {runs} runs changes a layer of this role ({layers} in all).
[[rule]]
id = \"good-unchanged-{role}\"
metric = \"relative_update\"
roles = [\"{role}\"]
fail = {{ max = 0.0 }}
"
    );
}

/// Rounded outwards, so that no good run falls out by it.
fn bounds(bounds: Bounds) -> String {
    format!(
        "{{ min = {}, max = {} }}",
        rounded(bounds.min, f64::floor),
        rounded(bounds.max, f64::ceil)
    )
}

/// A number to few digits, as TOML writes a float.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the exponent of a finite number fits"
)]
fn rounded(value: f64, round: impl Fn(f64) -> f64) -> String {
    if value.abs() <= 0.0 {
        return "0.0".to_owned();
    }
    // Where a limit has no number its rule is not written: the policy would be refused.
    if !value.is_finite() {
        return "nan".to_owned();
    }
    let places = DIGITS - 1 - libm::floor(libm::log10(value.abs())) as i32;
    let scale = 10f64.powi(places.abs());
    let short = if places >= 0 {
        round(value * scale) / scale
    } else {
        round(value / scale) * scale
    };
    format!("{short:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_rounded_outwards_to_few_digits() {
        assert_eq!(rounded(0.015_123_9, f64::floor), "0.01512");
        assert_eq!(rounded(0.015_123_9, f64::ceil), "0.01513");
        assert_eq!(rounded(-0.015_123_9, f64::floor), "-0.01513");
        assert_eq!(rounded(123_456.0, f64::ceil), "123500.0");
        assert_eq!(rounded(1.0, f64::ceil), "1.0");
        assert_eq!(rounded(0.0, f64::ceil), "0.0");
    }

    #[test]
    fn a_name_cannot_leave_its_comment() {
        assert_eq!(one_line("run\n[[rule]]"), "run [[rule]]");
    }
}
