//! `trend`: numbers of the model over its runs. There only where there was a history.

use serde_json::{Value, json};

use super::{number, optional};
use crate::layer::Role;
use crate::spectrum::metric::Metric;
use crate::verdict::{Series, Trend, TrendPoint};

pub(super) fn value(trend: &Trend) -> Value {
    let Trend { source, series } = trend;
    let series: Vec<Value> = series.iter().map(one).collect();
    json!({ "source": source, "series": series })
}

fn one(series: &Series) -> Value {
    let Series {
        metric,
        role,
        points,
        centre,
        lower,
        upper,
        since,
    } = series;
    let points: Vec<Value> = points.iter().map(point).collect();
    json!({
        "metric": Metric::as_str(*metric),
        "role": role.map(Role::as_str),
        "centre": optional(*centre),
        "lower": optional(*lower),
        "upper": optional(*upper),
        "since": since,
        "points": points,
    })
}

fn point(point: &TrendPoint) -> Value {
    let TrendPoint {
        run,
        recorded,
        value,
        smoothed,
    } = point;
    json!({
        "run": run,
        "recorded": recorded,
        "value": number(value.get()),
        "smoothed": optional(*smoothed),
    })
}
