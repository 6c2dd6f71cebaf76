//! One `[[rule]]` table in, a rule whose limits make sense together out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use toml::Spanned;

use super::file::{LimitTable, RuleTable};
use super::problem::SourceText;
use super::table::Problems;
use super::{Aggregate, AtLeast, Limit, Origin, Rule, Selector, Undefined};

/// What a `[[rule]]` table asks for.
#[derive(Debug)]
pub(super) struct RuleEntry {
    pub(super) id: Spanned<String>,
    pub(super) origin: Origin,
    pub(super) change: Change,
}

#[derive(Debug)]
pub(super) enum Change {
    /// Adds the rule or replaces the inherited one.
    Set(Box<Rule>),
    /// Removes the inherited rule.
    Drop,
    /// It has a mistake, which was reported.
    Broken,
}

impl Origin {
    pub(super) fn of(source: &SourceText, offset: usize) -> Self {
        let builtin = source.name.starts_with("builtin:");
        Self {
            source: source.name.clone(),
            line: (!builtin).then(|| source.line(offset)),
        }
    }
}

/// Checks every rule of a file, and that no two share an id.
pub(super) fn check_all(
    tables: Vec<Spanned<RuleTable>>,
    problems: &mut Problems<'_>,
) -> Vec<RuleEntry> {
    let mut first_lines = BTreeMap::new();
    let mut entries = Vec::new();
    for table in tables {
        let id = table.get_ref().id.clone();
        let line = problems.source().line(id.span().start);
        let first = *first_lines.entry(id.get_ref().clone()).or_insert(line);
        if first != line {
            let name = id.get_ref();
            problems.add(
                &id.span(),
                &format!("rule id `{name}` is used twice, first on line {first}"),
            );
        }
        entries.push(RuleEntry {
            id,
            origin: Origin::of(problems.source(), table.span().start),
            change: check(table, problems),
        });
    }
    entries
}

fn check(table: Spanned<RuleTable>, problems: &mut Problems<'_>) -> Change {
    let origin = Origin::of(problems.source(), table.span().start);
    let span = table.span();
    let table = table.into_inner();
    if table.warn.is_none() && table.fail.is_none() {
        return check_drop(&table, &span, problems);
    }
    check_limits(&table, problems);
    let RuleTable {
        id,
        metric,
        layers,
        roles,
        depth,
        absolute,
        undefined,
        aggregate,
        warn,
        fail,
    } = table;
    let select = selector(
        layers,
        roles.into_iter().flatten().collect(),
        depth,
        problems,
    );
    match (metric, select) {
        (Some(metric), Some(select)) => Change::Set(Box::new(Rule {
            id: id.into_inner(),
            metric,
            select,
            absolute: absolute.unwrap_or(false),
            undefined: undefined.unwrap_or(Undefined::Skip),
            aggregate: aggregate.unwrap_or(Aggregate::Each),
            warn: warn.map(|limit| limit.get_ref().limit()),
            fail: fail.map(|limit| limit.get_ref().limit()),
            origin,
        })),
        _ => Change::Broken,
    }
}

/// A rule without limits drops the inherited one. Anything beside its id says that limits were
/// meant and forgotten.
fn check_drop(table: &RuleTable, span: &Range<usize>, problems: &mut Problems<'_>) -> Change {
    let other_keys = table.layers.is_some()
        || table.roles.is_some()
        || table.depth.is_some()
        || table.absolute.is_some()
        || table.undefined.is_some()
        || table.aggregate.is_some();
    if !other_keys {
        return Change::Drop;
    }
    problems.missing(
        span,
        &format!(
            "expected `warn` or `fail` in rule `{}`, got neither; to drop an inherited rule, give \
             only its `id`",
            table.id.get_ref()
        ),
    );
    Change::Broken
}

/// Compiles globs, and reports the ones that cannot be read.
pub(super) fn selector(
    layers: Option<Vec<Spanned<String>>>,
    roles: BTreeSet<crate::layer::Role>,
    depth: Option<super::Depth>,
    problems: &mut Problems<'_>,
) -> Option<Selector> {
    let layers = layers.unwrap_or_default();
    let mut sound = true;
    for glob in &layers {
        let alone = vec![glob.get_ref().clone()];
        if let Err((_, reason)) = Selector::new(alone, BTreeSet::new(), None) {
            problems.add(&glob.span(), &format!("invalid glob: {reason}"));
            sound = false;
        }
    }
    let globs = layers.into_iter().map(Spanned::into_inner).collect();
    let selector = Selector::new(globs, roles, depth).ok();
    selector.filter(|_| sound)
}

fn check_limits(table: &RuleTable, problems: &mut Problems<'_>) {
    for limit in [&table.warn, &table.fail].into_iter().flatten() {
        check_limit(limit.get_ref(), table, problems);
    }
    let (Some(warn), Some(fail)) = (&table.warn, &table.fail) else {
        return;
    };
    let (warn, fail) = (warn.get_ref(), fail.get_ref());
    if let (Some(warn), Some(fail)) = (&warn.max, &fail.max)
        && fail.get_ref() < warn.get_ref()
    {
        problems.add(
            &fail.span(),
            &format!(
                "`fail` must be at or beyond `warn`: expected a max of {} or more, got {}",
                warn.get_ref().get(),
                fail.get_ref().get()
            ),
        );
    }
    if let (Some(warn), Some(fail)) = (&warn.min, &fail.min)
        && fail.get_ref() > warn.get_ref()
    {
        problems.add(
            &fail.span(),
            &format!(
                "`fail` must be at or beyond `warn`: expected a min of {} or less, got {}",
                warn.get_ref().get(),
                fail.get_ref().get()
            ),
        );
    }
}

fn check_limit(limit: &LimitTable, rule: &RuleTable, problems: &mut Problems<'_>) {
    if let (Some(min), Some(max)) = (&limit.min, &limit.max)
        && min.get_ref() > max.get_ref()
    {
        problems.add(
            &min.span(),
            &format!(
                "min must not be above max, got min {} and max {}",
                min.get_ref().get(),
                max.get_ref().get()
            ),
        );
    }
    if let Some(max) = &limit.max
        && rule.absolute == Some(true)
        && max.get_ref().get() < 0.0
    {
        problems.add(
            &max.span(),
            &format!(
                "max must not be negative in a rule with `absolute = true`, got {}",
                max.get_ref().get()
            ),
        );
    }
    if let Some(at_least) = &limit.at_least
        && rule
            .aggregate
            .is_some_and(|aggregate| aggregate != Aggregate::Each)
    {
        problems.add(
            &at_least.span(),
            "`at_least` counts layers and needs `aggregate = \"each\"`; an aggregate is one value",
        );
    }
}

impl LimitTable {
    fn limit(&self) -> Limit {
        Limit {
            min: self.min.as_ref().map(|min| *min.get_ref()),
            max: self.max.as_ref().map(|max| *max.get_ref()),
            at_least: self
                .at_least
                .as_ref()
                .map_or(AtLeast::Layers(1), |at_least| *at_least.get_ref()),
        }
    }
}

impl Undefined {
    pub(super) const NAMES: &[&str] = &["skip", "warn", "fail"];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Skip, Self::Warn, Self::Fail]
            .into_iter()
            .find(|one| one.as_str() == name)
    }
}

impl Aggregate {
    pub(super) const NAMES: &[&str] = &["each", "mean", "median", "max", "min"];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Each => "each",
            Self::Mean => "mean",
            Self::Median => "median",
            Self::Max => "max",
            Self::Min => "min",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Each, Self::Mean, Self::Median, Self::Max, Self::Min]
            .into_iter()
            .find(|one| one.as_str() == name)
    }
}
