//! `trend` of a report that is read back: bounded, as the rest of it.

use serde::Deserialize;

use super::read::{ReadError, unexpected};
use crate::layer::Role;
use crate::num::Finite;
use crate::spectrum::metric::Metric;
use crate::verdict::{Series, Trend, TrendPoint};

/// More than the metrics that are followed over all roles.
const MOST_SERIES: usize = 2_000;
/// More than the runs that a baseline takes.
const MOST_POINTS: usize = 1_000;
const LONGEST_SOURCE: usize = 1_000;
/// Of an identity, or the reference of the run at hand.
const LONGEST_RUN: usize = 1_000;

#[derive(Deserialize)]
pub(super) struct TrendDocument {
    source: String,
    series: Vec<SeriesDocument>,
}

#[derive(Deserialize)]
struct SeriesDocument {
    metric: Metric,
    role: Option<Role>,
    points: Vec<PointDocument>,
    centre: Option<Finite>,
    lower: Option<Finite>,
    upper: Option<Finite>,
    since: Option<usize>,
}

#[derive(Deserialize)]
struct PointDocument {
    run: String,
    recorded: String,
    value: Finite,
    smoothed: Option<Finite>,
}

pub(super) fn trend(document: TrendDocument) -> Result<Trend, ReadError> {
    let TrendDocument { source, series } = document;
    if series.len() > MOST_SERIES {
        return Err(unexpected(&format!("{} series", series.len()), "a trend"));
    }
    if source.chars().count() > LONGEST_SOURCE {
        return Err(unexpected(&source, "the place of a history"));
    }
    let series = series.into_iter().map(one).collect::<Result<_, _>>()?;
    Ok(Trend { source, series })
}

fn one(document: SeriesDocument) -> Result<Series, ReadError> {
    let SeriesDocument {
        metric,
        role,
        points,
        centre,
        lower,
        upper,
        since,
    } = document;
    if points.len() > MOST_POINTS {
        let found = format!("{} runs", points.len());
        return Err(unexpected(&found, "the runs of a trend"));
    }
    if let Some(since) = since.filter(|since| *since >= points.len()) {
        return Err(unexpected(&since.to_string(), "the place of a run"));
    }
    let points = points.into_iter().map(point).collect::<Result<_, _>>()?;
    Ok(Series {
        metric,
        role,
        points,
        centre,
        lower,
        upper,
        since,
    })
}

fn point(document: PointDocument) -> Result<TrendPoint, ReadError> {
    let PointDocument {
        run,
        recorded,
        value,
        smoothed,
    } = document;
    if run.chars().count() > LONGEST_RUN {
        return Err(unexpected(&run, "the identity of a run"));
    }
    if !recorded.is_empty() && recorded.parse::<jiff::Timestamp>().is_err() {
        return Err(unexpected(&recorded, "a time"));
    }
    Ok(TrendPoint {
        run,
        recorded,
        value,
        smoothed,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::report::{Report, json as document, sample};

    fn with_trend() -> Report {
        let mut report = sample::fail();
        let point = |run: &str, value| TrendPoint {
            run: run.to_owned(),
            recorded: "2026-11-24T03:00:00Z".to_owned(),
            value,
            smoothed: Finite::new(0.25),
        };
        let values = [0.5, 1.0, 2.5].map(|value| Finite::new(value).unwrap_or(Finite::ZERO));
        report.judgement.trend = Some(Trend {
            source: "nightly.db, model a, branch main".to_owned(),
            series: vec![Series {
                metric: Metric::RelativeUpdate,
                role: Some(Role::MlpUp),
                points: values.map(|value| point("0a1b2c", value)).to_vec(),
                centre: Finite::new(0.75),
                lower: None,
                upper: Finite::new(2.0),
                since: Some(2),
            }],
        });
        report
    }

    fn read(change: impl FnOnce(&mut Value)) -> Result<Report, ReadError> {
        let mut report: Value = serde_json::from_str(&document::render(&with_trend())).unwrap();
        change(&mut report["trend"]);
        Report::from_json(&report.to_string())
    }

    #[test]
    fn a_trend_reads_back_to_the_same_document() {
        let text = document::render(&with_trend());
        let read = Report::from_json(&text).unwrap();
        assert_eq!(document::render(&read), text);
        assert!(read.judgement.trend.is_some());
    }

    #[test]
    fn what_is_no_trend_is_refused() {
        let point = json!({ "run": "a", "recorded": "", "value": 1, "smoothed": null });
        assert!(read(|trend| trend["series"][0]["points"][0] = point.clone()).is_ok());
        let changes: [(&str, Value); 5] = [
            ("/series/0/metric", "made_up".into()),
            ("/series/0/since", 3.into()),
            ("/series/0/points/0/run", "x".repeat(1_001).into()),
            ("/series/0/points/0/recorded", "yesterday".into()),
            ("/series/0/points", vec![point; 1_001].into()),
        ];
        for (pointer, value) in changes {
            let read = read(|trend| *trend.pointer_mut(pointer).unwrap() = value);
            assert!(read.is_err(), "{pointer}");
        }
    }
}
