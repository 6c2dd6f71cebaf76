//! The numbers over all matrices of the body, one metric a row.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::report::number;
use crate::verdict::Judgement;

use super::Target;

/// A metric's mean and median; empty where there is none.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Average {
    pub metric: String,
    pub mean: String,
    pub median: String,
}

/// In the order of the metrics' names. What is neither a mean nor a median is not shown here.
pub(super) fn averages(judgement: &Judgement, target: Target) -> impl Iterator<Item = Average> {
    let mut rows: BTreeMap<&str, Average> = BTreeMap::new();
    for (name, value) in &judgement.aggregates {
        let value = number::short(value.get());
        if let Some(metric) = name.strip_prefix("mean_") {
            rows.entry(metric).or_default().mean = value;
        } else if let Some(metric) = name.strip_prefix("median_") {
            rows.entry(metric).or_default().median = value;
        }
    }
    rows.into_iter().map(move |(metric, row)| Average {
        metric: target.code(metric),
        ..row
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_mean_and_a_median_of_one_metric_are_one_row() {
        let mut judgement = sample::fail().judgement;
        let mut add = |name: &str, value| {
            let value = sample::finite(value).unwrap();
            judgement.aggregates.insert(name.to_owned(), value);
        };
        add("median_alpha", 3.0);
        add("median_|", 1.0);
        let rows: Vec<Average> = averages(&judgement, Target::Markdown).collect();
        assert_eq!(rows.len(), 2);
        let texts = |row: &Average| [row.metric.clone(), row.mean.clone(), row.median.clone()];
        assert_eq!(texts(&rows[0]), ["`alpha`", "3.1", "3"]);
        assert_eq!(texts(&rows[1]), ["`\\u{7c}`", "", "1"]);
    }
}
