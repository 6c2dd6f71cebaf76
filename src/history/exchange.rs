//! JSON lines: one line a run and one an act, in the order of their times. A later run or act adds a
//! line at the end, so that a file of them can be kept in git; two that went apart are joined by
//! importing both, in whichever order.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::pack::Columns;
use super::store::{Conflict, identities, insert, insert_act};
use super::{Act, Filter, HistoryError, HistoryStore, Run};

/// Of the lines. A reader refuses fields that it does not know, so that a field more is another number.
const FORMAT: u32 = 1;

/// A run with all that is kept of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) run: Run,
    pub(super) layers: Columns,
}

impl Entry {
    pub(super) fn new(run: Run, layers: Columns) -> Self {
        Self { run, layers }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
enum Line {
    Run {
        format: u32,
        run: Box<Run>,
        layers: Columns,
    },
    Accept {
        format: u32,
        act: Act,
    },
}

/// What an import changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    pub runs: usize,
    pub acts: usize,
    /// Lines of which the store has the content already.
    pub known: usize,
}

/// Files of lines that were read and checked, each line by itself.
#[derive(Debug)]
pub struct Exported(Vec<(String, Lines)>);

#[derive(Debug, Default)]
struct Lines {
    /// With the number of the line.
    runs: Vec<(usize, Entry)>,
    acts: Vec<(usize, Act)>,
}

impl HistoryStore {
    /// The runs that match as JSON lines. The same runs give the same bytes, from a store of either
    /// kind.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn export(&mut self, filter: &Filter) -> Result<String, HistoryError> {
        let (runs, acts) = self.runs(filter)?;
        let mut lines: BTreeMap<(i64, u8, String), String> = BTreeMap::new();
        for run in runs {
            let key = (run.recorded.as_microsecond(), 0, run.id.clone());
            let line = Line::Run {
                format: FORMAT,
                layers: self.columns(&run.id)?,
                run: Box::new(run),
            };
            lines.insert(key, text(&line)?);
        }
        for act in acts {
            let key = (act.acted.as_microsecond(), 1, act.id.clone());
            lines.insert(
                key,
                text(&Line::Accept {
                    format: FORMAT,
                    act,
                })?,
            );
        }
        Ok(lines.into_values().map(|line| line + "\n").collect())
    }

    /// Adds what the lines hold and the store does not: all of it or, where a line is wrong, nothing.
    ///
    /// Of two forms of one run the earlier stays, so that the order of imports does not matter.
    ///
    /// # Errors
    /// Where an act is of a run that is not there, or the store cannot be written.
    pub fn import(&mut self, exported: &Exported) -> Result<Imported, HistoryError> {
        self.connection.transaction(|connection| {
            let mut imported = Imported::default();
            let runs = exported.0.iter().flat_map(|(_, lines)| &lines.runs);
            let mut runs: Vec<&Entry> = runs.map(|(_, entry)| entry).collect();
            // Two that import the same runs in one order never wait for each other in a circle.
            runs.sort_by(|left, right| left.run.id.cmp(&right.run.id));
            for entry in runs {
                let added = insert(connection, entry, Conflict::KeepEarlier)?;
                imported.count(added, |imported| &mut imported.runs);
            }
            exported.check_acts(identities(connection)?)?;
            for (_, lines) in &exported.0 {
                for (_, act) in &lines.acts {
                    let added = insert_act(connection, act)? > 0;
                    imported.count(added, |imported| &mut imported.acts);
                }
            }
            Ok(imported)
        })
    }

    /// The identities of all runs, for [`Exported::check_acts`].
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn identities(&mut self) -> Result<Vec<String>, HistoryError> {
        identities(&mut self.connection)
    }
}

impl Exported {
    /// Reads files, each a name and its content.
    ///
    /// # Errors
    /// Where a line is no run and no act.
    pub fn parse(files: &[(String, String)]) -> Result<Self, HistoryError> {
        let read = files
            .iter()
            .map(|(file, content)| Ok((file.clone(), parse(file, content)?)));
        read.collect::<Result<_, _>>().map(Self)
    }

    /// Whether every act is of a run that the files hold or `known` names: a store is not made for
    /// lines that it cannot take.
    ///
    /// # Errors
    /// Where one is not, with its line.
    pub fn check_acts(&self, known: Vec<String>) -> Result<(), HistoryError> {
        let mut known: BTreeSet<String> = known.into_iter().collect();
        let runs = self.0.iter().flat_map(|(_, lines)| &lines.runs);
        known.extend(runs.map(|(_, entry)| entry.run.id.clone()));
        for (file, lines) in &self.0 {
            for (line, act) in &lines.acts {
                if !known.contains(&act.run) {
                    let problem = format!("it accepts run `{}`, which is not there", act.run);
                    return Err(wrong(file, *line, problem));
                }
            }
        }
        Ok(())
    }
}

impl Imported {
    fn count(&mut self, added: bool, counter: impl Fn(&mut Self) -> &mut usize) {
        if added {
            *counter(self) += 1;
        } else {
            self.known += 1;
        }
    }
}

fn text(line: &Line) -> Result<String, HistoryError> {
    serde_json::to_string(line).map_err(|error| HistoryError::Damaged {
        id: "of an export".to_owned(),
        problem: error.to_string(),
    })
}

fn wrong(file: &str, line: usize, problem: String) -> HistoryError {
    HistoryError::Line {
        file: file.to_owned(),
        line,
        problem,
    }
}

fn parse(file: &str, content: &str) -> Result<Lines, HistoryError> {
    let mut lines = Lines::default();
    for (index, text) in content.lines().enumerate() {
        // Editors on Windows put a mark in front of a file, and joined files have it in between.
        let text = text.trim_start_matches('\u{feff}');
        if text.trim().is_empty() {
            continue;
        }
        let number = index + 1;
        let refuse = |problem: String| wrong(file, number, problem);
        let line: Line = serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
        let (Line::Run { format, .. } | Line::Accept { format, .. }) = &line;
        if *format != FORMAT {
            return Err(refuse(format!(
                "it has format {format}, and this version knows {FORMAT}"
            )));
        }
        match line {
            Line::Run { run, layers, .. } => {
                if let Some(problem) = layers.problem() {
                    return Err(refuse(problem));
                }
                if run.identity() != run.id {
                    return Err(refuse("its `id` is not that of its content".to_owned()));
                }
                lines.runs.push((number, Entry::new(*run, layers)));
            }
            Line::Accept { act, .. } => {
                if act.identity() != act.id {
                    return Err(refuse("its `id` is not that of its content".to_owned()));
                }
                lines.acts.push((number, act));
            }
        }
    }
    Ok(lines)
}
