//! `scan --plot LAYER=FILE`: parsed, and its targets tried, before the work starts.

use std::path::PathBuf;

use super::CommandError;
use crate::fs;
use crate::report::{ScanReport, figure};

/// Near names shown for a layer that is not there.
const NEAR: usize = 3;

/// A figure that goes to a file.
#[derive(Debug)]
pub(super) struct Plot {
    layer: String,
    path: PathBuf,
}

/// Reads every `LAYER=FILE`; a name may hold `=`, so the last one counts.
pub(super) fn parse(texts: &[String]) -> Result<Vec<Plot>, CommandError> {
    let mut plots: Vec<Plot> = Vec::new();
    for text in texts {
        let wrong = |problem: &str| CommandError::Plot {
            text: text.clone(),
            problem: problem.to_owned(),
        };
        let (layer, path) = text
            .rsplit_once('=')
            .ok_or_else(|| wrong("there is no `=`"))?;
        if layer.is_empty() || path.is_empty() {
            return Err(wrong("a layer and a file are needed"));
        }
        let path = PathBuf::from(path);
        if plots.iter().any(|plot| plot.path == path) {
            return Err(wrong("another `--plot` writes the same file"));
        }
        fs::check_writable(&path)?;
        plots.push(Plot {
            layer: layer.to_owned(),
            path,
        });
    }
    Ok(plots)
}

/// Writes every figure.
pub(super) fn write(plots: &[Plot], report: &ScanReport) -> Result<(), CommandError> {
    for plot in plots {
        let found = report
            .layers
            .iter()
            .find(|layer| layer.name.as_str() == plot.layer);
        let layer = found.ok_or_else(|| CommandError::UnknownLayer {
            layer: plot.layer.clone(),
            near: near(&plot.layer, report),
        })?;
        fs::write_atomic(&plot.path, figure::spectrum(layer)?.as_bytes())?;
    }
    Ok(())
}

/// The layers that share most words with the name, those with few others first.
fn near(wanted: &str, report: &ScanReport) -> Vec<String> {
    let words = |name: &str| -> Vec<String> {
        let parts = name.split(|letter: char| !letter.is_alphanumeric());
        parts
            .filter(|part| !part.is_empty())
            .map(str::to_lowercase)
            .collect()
    };
    let wanted = words(wanted);
    let mut ranked: Vec<(usize, usize, &str)> = report
        .layers
        .iter()
        .map(|layer| {
            let own = words(layer.name.as_str());
            let shared = wanted.iter().filter(|word| own.contains(word)).count();
            (shared, own.len(), layer.name.as_str())
        })
        .filter(|(shared, ..)| *shared > 0)
        .collect();
    ranked.sort_by_key(|(shared, words, _)| (std::cmp::Reverse(*shared), *words));
    let best = ranked.into_iter().take(NEAR);
    best.map(|(.., name)| name.to_owned()).collect()
}
