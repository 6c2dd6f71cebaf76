//! `scan --plot LAYER=FILE`: parsed, its targets tried and its layers looked up before the work starts.

use std::path::{Path, PathBuf};

use super::CommandError;
use super::emit::is_same_file;
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
        if plots.iter().any(|plot| is_same_file(&plot.path, &path)) {
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

/// Refuses a figure whose file a report goes to as well.
pub(super) fn refuse_shared<'a>(
    plots: &[Plot],
    emits: impl Iterator<Item = &'a Path>,
) -> Result<(), CommandError> {
    for path in emits {
        if let Some(plot) = plots.iter().find(|plot| is_same_file(&plot.path, path)) {
            return Err(CommandError::Plot {
                text: format!("{}={}", plot.layer, plot.path.display()),
                problem: "an `--emit` writes the same file".to_owned(),
            });
        }
    }
    Ok(())
}

/// Refuses a figure of a layer that the checkpoint does not have.
pub(super) fn check_layers(plots: &[Plot], layers: &[&str]) -> Result<(), CommandError> {
    let unknown = |plot: &&Plot| !layers.contains(&plot.layer.as_str());
    match plots.iter().find(unknown) {
        Some(plot) => Err(unknown_layer(plot, layers)),
        None => Ok(()),
    }
}

fn unknown_layer(plot: &Plot, layers: &[&str]) -> CommandError {
    CommandError::UnknownLayer {
        layer: plot.layer.clone(),
        near: near(&plot.layer, layers),
    }
}

/// Writes every figure.
pub(super) fn write(plots: &[Plot], report: &ScanReport) -> Result<(), CommandError> {
    for plot in plots {
        let found = report
            .layers
            .iter()
            .find(|layer| layer.name.as_str() == plot.layer);
        let layer = found.ok_or_else(|| {
            let layers = report.layers.iter().map(|layer| layer.name.as_str());
            unknown_layer(plot, &layers.collect::<Vec<_>>())
        })?;
        fs::write_atomic(&plot.path, figure::spectrum(layer)?.as_bytes())?;
    }
    Ok(())
}

/// The layers that share most words with the name, those with few others first.
fn near(wanted: &str, layers: &[&str]) -> Vec<String> {
    let words = |name: &str| -> Vec<String> {
        let parts = name.split(|letter: char| !letter.is_alphanumeric());
        parts
            .filter(|part| !part.is_empty())
            .map(str::to_lowercase)
            .collect()
    };
    let wanted = words(wanted);
    let mut ranked: Vec<(usize, usize, &str)> = layers
        .iter()
        .map(|layer| {
            let own = words(layer);
            let shared = wanted.iter().filter(|word| own.contains(word)).count();
            (shared, own.len(), *layer)
        })
        .filter(|(shared, ..)| *shared > 0)
        .collect();
    ranked.sort_by_key(|(shared, words, _)| (std::cmp::Reverse(*shared), *words));
    let best = ranked.into_iter().take(NEAR);
    best.map(|(.., name)| name.to_owned()).collect()
}
