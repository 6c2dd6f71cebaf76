//! The report that people open: one HTML file that needs nothing else, with the findings as plain
//! HTML and, where scripts run, charts and a table of all layers over the same data.
//!
//! | part | holds |
//! |---|---|
//! | [`flow`](FlowSection) | what `track` gives to be drawn |
//! | `data` | the numbers, as JSON in the page |
//! | [`runs`](RunsPage) | what a history gives to be shown |
//! | `spectra` | spectra as histograms |
//! | `page` | the template, its content security policy, and the assembly |
//! | `page/` | style and scripts, which only read the JSON |
//! | `vendor/` | Observable Plot, bundled by `scripts/vendor-charts` |
//!
//! Whoever opens a pull request chooses names, references and policies, so the page treats them as
//! text in three ways: texts are escaped before the template sees them ([`super::escape`]), the JSON
//! holds no `<` and scripts write it into text nodes only, and the page's policy runs no script and
//! applies no style but those whose hashes it names. It allows no request at all.
//!
//! The bytes depend on the report alone.

mod data;
mod flow;
mod page;
mod runs;
mod spectra;

#[cfg(test)]
mod tests;

use super::{Report, ScanReport, TemplateError};

pub use flow::{FlowMark, FlowSection, FlowSeries, FlowText};
pub use runs::{RunAct, RunGroup, RunLimits, RunRow, RunsPage};

/// The page of a judged pair, with its flow over checkpoints where there is one.
///
/// # Errors
/// Where the embedded template refers to what does not exist.
pub fn check(report: &Report, flow: Option<&FlowSection>) -> Result<String, TemplateError> {
    page::of_check(report, flow)
}

/// The page of one checkpoint.
///
/// # Errors
/// As [`check`].
pub fn scan(report: &ScanReport) -> Result<String, TemplateError> {
    page::of_scan(report)
}

/// A page of flow alone. `title` says of what.
///
/// # Errors
/// As [`check`].
pub fn flow(title: &str, section: &FlowSection) -> Result<String, TemplateError> {
    page::of_flow(title, section)
}

/// The page of the runs of a history.
///
/// # Errors
/// As [`check`].
pub fn runs(page: &RunsPage) -> Result<String, TemplateError> {
    page::of_runs(page)
}
