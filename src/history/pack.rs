//! Layers and levels in little space: by column, rounded to [`DIGITS`] significant digits, as JSON
//! that is deflated in a store and plain in an export.
//!
//! The statistics on runs work with effects of a percent and more; a relative error of 5e-8 is far
//! below the jitter of any metric between two seeds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::compare::{LayerKind, Levels, RunLayer};
use crate::layer::{LayerName, Role, Scope};
use crate::num::Finite;
use crate::spectrum::metric::Metric;

/// Significant decimal digits that are kept.
const DIGITS: usize = 7;
/// Name of the level over all roles.
const ALL_ROLES: &str = "all";
/// Largest document that a store may unpack to: a thousand times that of a 7B model.
const LARGEST: usize = 256 << 20;

/// The layers of a run by column. A metric of a later version is kept and not understood.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Columns {
    pub(super) names: Vec<String>,
    kinds: Vec<LayerKind>,
    roles: Vec<Role>,
    scopes: Vec<Scope>,
    metrics: BTreeMap<String, Vec<Option<Finite>>>,
}

impl Columns {
    pub(super) fn of(layers: &[RunLayer]) -> Self {
        let mut columns = Self::default();
        for (index, layer) in layers.iter().enumerate() {
            let RunLayer {
                name,
                kind,
                role,
                scope,
                metrics,
            } = layer;
            columns.names.push(name.as_str().to_owned());
            columns.kinds.push(*kind);
            columns.roles.push(*role);
            columns.scopes.push(*scope);
            for (metric, value) in metrics {
                let column = columns.metrics.entry(metric.as_str().to_owned());
                let column = column.or_insert_with(|| vec![None; layers.len()]);
                if let Some(place) = column.get_mut(index) {
                    *place = Some(rounded(*value));
                }
            }
        }
        columns
    }

    /// Why the columns are not those of one run; `None` where they are.
    pub(super) fn problem(&self) -> Option<String> {
        let count = self.names.len();
        let lengths = [self.kinds.len(), self.roles.len(), self.scopes.len()];
        let columns = self.metrics.values().map(Vec::len);
        let wrong = lengths
            .into_iter()
            .chain(columns)
            .find(|length| *length != count);
        wrong.map(|length| format!("a column has {length} values for {count} layers"))
    }

    pub(super) fn layers(&self) -> Vec<RunLayer> {
        let parts = self
            .names
            .iter()
            .zip(&self.kinds)
            .zip(&self.roles)
            .zip(&self.scopes);
        let mut layers: Vec<RunLayer> = parts
            .map(|(((name, kind), role), scope)| RunLayer {
                name: LayerName::new(name.as_str()),
                kind: *kind,
                role: *role,
                scope: *scope,
                metrics: BTreeMap::new(),
            })
            .collect();
        for (name, column) in &self.metrics {
            let Ok(metric) = name.parse::<Metric>() else {
                continue;
            };
            for (layer, value) in layers.iter_mut().zip(column) {
                if let Some(value) = value {
                    layer.metrics.insert(metric, *value);
                }
            }
        }
        layers
    }
}

/// To [`DIGITS`] significant decimal digits.
fn rounded(value: Finite) -> Finite {
    let text = format!("{:.*e}", DIGITS - 1, value.get());
    let near = text.parse().ok().and_then(Finite::new);
    // Only next to the largest f64 does rounding leave the finite numbers.
    near.unwrap_or(value)
}

pub(super) fn rounded_levels(levels: &Levels) -> Levels {
    let rounded = levels.0.iter().map(|(key, value)| (*key, rounded(*value)));
    Levels(rounded.collect())
}

/// [`Levels`] as `{metric: {role: value}}`, where `all` stands for every role together.
pub(super) mod by_name {
    use serde::{Deserializer, Serializer};

    use super::{
        ALL_ROLES, BTreeMap, Deserialize as _, Finite, Levels, Metric, Role, Serialize as _,
    };

    type Named = BTreeMap<String, BTreeMap<String, Finite>>;

    pub(in crate::history) fn serialize<S: Serializer>(
        levels: &Levels,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut named = Named::new();
        for ((metric, role), value) in &levels.0 {
            let role = role.map_or(ALL_ROLES, Role::as_str);
            let roles = named.entry(metric.as_str().to_owned()).or_default();
            roles.insert(role.to_owned(), *value);
        }
        named.serialize(serializer)
    }

    pub(in crate::history) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Levels, D::Error> {
        let mut levels = Levels::default();
        for (metric, roles) in Named::deserialize(deserializer)? {
            // Those of a later version are not understood.
            let Ok(metric) = metric.parse::<Metric>() else {
                continue;
            };
            for (role, value) in roles {
                let role = match role.parse::<Role>() {
                    Ok(role) => Some(role),
                    Err(_) if role == ALL_ROLES => None,
                    Err(_) => continue,
                };
                levels.0.insert((metric, role), value);
            }
        }
        Ok(levels)
    }
}

/// [`Levels`] as a document by itself.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct NamedLevels(#[serde(with = "by_name")] pub(super) Levels);

/// Deflated JSON.
pub(super) fn packed<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    let text = serde_json::to_vec(value).map_err(|error| error.to_string())?;
    Ok(miniz_oxide::deflate::compress_to_vec_zlib(&text, 6))
}

pub(super) fn unpacked<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T, String> {
    let text = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(bytes, LARGEST)
        .map_err(|error| error.to_string())?;
    serde_json::from_slice(&text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, values: &[(Metric, f64)]) -> RunLayer {
        RunLayer {
            name: LayerName::new(name),
            kind: LayerKind::Matrix,
            role: Role::MlpUp,
            scope: Scope::Body,
            metrics: values
                .iter()
                .filter_map(|(metric, value)| Some((*metric, Finite::new(*value)?)))
                .collect(),
        }
    }

    #[test]
    fn layers_come_back_to_seven_digits_with_their_gaps() {
        let layers = [
            layer(
                "a",
                &[(Metric::Alpha, 2.345_678_949_9), (Metric::Rows, 4096.0)],
            ),
            layer("b", &[(Metric::RelativeUpdate, 1.234_567_89e-300)]),
        ];
        let packed = packed(&Columns::of(&layers)).unwrap();
        let columns: Columns = unpacked(&packed).unwrap();
        assert_eq!(columns.problem(), None);
        let read = columns.layers();
        let value = |layer: usize, metric| read[layer].metrics[&metric];
        assert_eq!(Finite::new(2.345_679), Some(value(0, Metric::Alpha)));
        assert_eq!(Finite::new(4096.0), Some(value(0, Metric::Rows)));
        assert_eq!(
            Finite::new(1.234_568e-300),
            Some(value(1, Metric::RelativeUpdate))
        );
        assert_eq!(read[1].metrics.len(), 1);
        assert_eq!(Columns::of(&read), columns);
    }

    #[test]
    fn a_column_of_another_length_is_a_problem() {
        let mut columns = Columns::of(&[layer("a", &[(Metric::Alpha, 3.0)])]);
        columns.names.push("b".to_owned());
        assert!(columns.problem().unwrap().contains("2 layers"));
    }

    #[test]
    fn levels_come_back_by_name() {
        let levels = Levels::of(&[layer("a", &[(Metric::Alpha, 3.0)])]);
        let bytes = packed(&NamedLevels(levels.clone())).unwrap();
        assert_eq!(unpacked::<NamedLevels>(&bytes).unwrap().0, levels);
        let later = br#"{"alpha": {"all": 3, "new.role": 4}, "new_metric": {"all": 1}}"#;
        let read: NamedLevels = serde_json::from_slice(later).unwrap();
        assert_eq!(read.0.0.len(), 1);
    }

    #[test]
    fn damaged_bytes_are_refused() {
        assert!(unpacked::<Columns>(b"no zlib").is_err());
        let bytes = packed(&Columns::default()).unwrap();
        assert!(unpacked::<Columns>(&bytes[..bytes.len() - 3]).is_err());
    }
}
