//! The runs of a store: recorded, read, accepted and forgotten.

use std::collections::BTreeSet;

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::any::AnyRow;

use super::connection::{Connection, Value};
use super::exchange::Entry;
use super::pack::{self, Columns, NamedLevels};
use super::run::instant;
use super::{Access, Act, CheckpointKey, HistoryError, Location, PolicyKey, Run, migrate};
use crate::compare::RunLayer;
use crate::verdict::Verdict;

const FIELDS: &str = "id, recorded, model, branch, commit_id, base_ref, base_digest, tuned_ref, \
    tuned_digest, policy_name, policy_digest, estimator, tool, verdict, reason, fail_count, \
    warn_count, deviates, layer_count, levels";

const INSERT: &str = "INSERT INTO tunegate_runs (id, recorded, model, branch, commit_id, base_ref, \
    base_digest, tuned_ref, tuned_digest, policy_name, policy_digest, estimator, tool, verdict, reason, \
    fail_count, warn_count, deviates, layer_count, levels, layers) VALUES \
    ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21) \
    ON CONFLICT (id) DO ";

/// What decides which of two forms of one run stays must not depend on the order of imports.
const KEEP_EARLIER: &str = "UPDATE SET recorded = excluded.recorded, base_ref = excluded.base_ref, \
    tuned_ref = excluded.tuned_ref, policy_name = excluded.policy_name, tool = excluded.tool, \
    verdict = excluded.verdict, reason = excluded.reason, fail_count = excluded.fail_count, \
    warn_count = excluded.warn_count, deviates = excluded.deviates, layer_count = excluded.layer_count, \
    levels = excluded.levels, layers = excluded.layers \
    WHERE (excluded.recorded, excluded.layers, excluded.levels, excluded.verdict, excluded.deviates, \
    excluded.reason, excluded.tool, excluded.base_ref, excluded.tuned_ref) < (tunegate_runs.recorded, \
    tunegate_runs.layers, tunegate_runs.levels, tunegate_runs.verdict, tunegate_runs.deviates, \
    tunegate_runs.reason, tunegate_runs.tool, tunegate_runs.base_ref, tunegate_runs.tuned_ref)";

const INSERT_ACT: &str = "INSERT INTO tunegate_acts (id, run, kind, who, reason, acted) \
    VALUES ($1, $2, 'accept', $3, $4, $5) ON CONFLICT (id) DO NOTHING";

/// Whether a run was there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    New,
    /// Nothing was changed: the first verdict on a run is the one that was acted on.
    Known(Kept),
}

/// What a store holds of a run that is recorded once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    pub recorded: Timestamp,
    pub verdict: Verdict,
    pub deviates: bool,
}

impl Kept {
    /// Whether the run is judged otherwise now.
    pub fn differs(&self, now: &Run) -> bool {
        (self.verdict, self.deviates) != (now.verdict, now.deviates)
    }
}

/// What becomes of a run that the store has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Conflict {
    Keep,
    /// The form with the earlier time replaces the other one.
    KeepEarlier,
}

/// Which runs are meant; `None`: all of them.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub model: Option<String>,
    pub branch: Option<String>,
    /// Recorded at this time or later.
    pub since: Option<Timestamp>,
}

/// An open history.
#[derive(Debug)]
pub struct HistoryStore {
    pub(super) connection: Connection,
}

impl HistoryStore {
    /// Opens the store, and to write also makes or migrates it. `None`: it may only be read and there
    /// is nothing yet.
    ///
    /// # Errors
    /// Where it cannot be reached, or was written by a newer version or another program.
    pub fn open(location: &Location, access: Access) -> Result<Option<Self>, HistoryError> {
        if let Location::File(path) = location
            && access == Access::Read
            && !path.exists()
        {
            return Ok(None);
        }
        let mut connection = Connection::open(location, access)?;
        let there = migrate::migrate(&mut connection, access)?;
        if access == Access::Write {
            connection.keep_one_file()?;
        }
        Ok(there.then_some(Self { connection }))
    }

    /// As [`Self::open`] to read, where there has to be a history.
    ///
    /// # Errors
    /// As [`Self::open`], and where there is none.
    pub fn existing(location: &Location) -> Result<Self, HistoryError> {
        Self::open(location, Access::Read)?.ok_or_else(|| HistoryError::Missing {
            location: location.to_string(),
        })
    }

    pub fn location(&self) -> &str {
        self.connection.location()
    }

    /// Adds a run, or leaves the store as it is where the run is known.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub fn record(&mut self, run: &Run, layers: &[RunLayer]) -> Result<Recorded, HistoryError> {
        let entry = Entry::new(run.clone(), Columns::of(layers));
        self.connection.transaction(|connection| {
            if insert(connection, &entry, Conflict::Keep)? {
                return Ok(Recorded::New);
            }
            kept(connection, &run.id).map(Recorded::Known)
        })
    }

    /// The runs that match, oldest first, and what people did about them.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn runs(&mut self, filter: &Filter) -> Result<(Vec<Run>, Vec<Act>), HistoryError> {
        let since = filter.since.map_or(i64::MIN, instant::micros);
        let mut values = vec![Value::Whole(since)];
        let mut statement = format!("SELECT {FIELDS} FROM tunegate_runs WHERE recorded >= $1");
        for (name, wanted) in [("model", &filter.model), ("branch", &filter.branch)] {
            if let Some(wanted) = wanted {
                values.push(Value::Text(wanted));
                statement.extend([format!(" AND {name} = ${}", values.len())]);
            }
        }
        statement.push_str(" ORDER BY recorded, id");
        let rows = self.connection.rows("read the runs", &statement, &values)?;
        let runs: Vec<Run> = rows
            .iter()
            .map(|row| run_of(row, self.location()))
            .collect::<Result<_, _>>()?;
        let ids: BTreeSet<&str> = runs.iter().map(|run| run.id.as_str()).collect();
        let mut acts = self.acts()?;
        acts.retain(|act| ids.contains(act.run.as_str()));
        Ok((runs, acts))
    }

    fn acts(&mut self) -> Result<Vec<Act>, HistoryError> {
        let statement = "SELECT id, run, who, reason, acted FROM tunegate_acts ORDER BY acted, id";
        let rows = self
            .connection
            .rows("read what was accepted", statement, &[])?;
        let location = self.location();
        rows.iter()
            .map(|row| {
                let cells = Cells { row, location };
                Ok(Act {
                    id: cells.text("id")?,
                    run: cells.text("run")?,
                    by: cells.text("who")?,
                    reason: cells.text("reason")?,
                    acted: cells.time("acted")?,
                })
            })
            .collect()
    }

    /// As [`find`] among all runs, where nothing else of them has to be readable.
    ///
    /// # Errors
    /// Where there is none, or more than one.
    pub fn find_identity(&mut self, text: &str) -> Result<String, HistoryError> {
        only(text, identities(&mut self.connection)?, |id| id)
    }

    /// # Errors
    /// Where the store cannot be read, or the run's row is damaged.
    pub fn layers(&mut self, id: &str) -> Result<Vec<RunLayer>, HistoryError> {
        Ok(self.columns(id)?.layers())
    }

    pub(super) fn columns(&mut self, id: &str) -> Result<Columns, HistoryError> {
        let statement = "SELECT layers FROM tunegate_runs WHERE id = $1";
        let rows = self
            .connection
            .rows("read the layers", statement, &[Value::Text(id)])?;
        let damaged = |problem| HistoryError::Damaged {
            id: id.to_owned(),
            problem,
        };
        let row = rows.first().ok_or_else(|| HistoryError::NoRun {
            text: id.to_owned(),
        })?;
        let location = self.connection.location();
        let bytes = Cells { row, location }.bytes("layers")?;
        let columns: Columns = pack::unpacked(&bytes).map_err(damaged)?;
        match columns.problem() {
            Some(problem) => Err(damaged(problem)),
            None => Ok(columns),
        }
    }

    /// Whether somebody accepted the run, of which nothing has to be readable.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn is_accepted(&mut self, id: &str) -> Result<bool, HistoryError> {
        let statement = "SELECT COUNT(*) FROM tunegate_acts WHERE run = $1";
        let acts =
            self.connection
                .whole("read what was accepted", statement, &[Value::Text(id)])?;
        Ok(acts > 0)
    }

    /// # Errors
    /// Where the store cannot be written.
    pub fn act(&mut self, act: &Act) -> Result<(), HistoryError> {
        self.connection
            .transaction(|connection| insert_act(connection, act).map(drop))
    }

    /// Takes runs out, and what was done about them.
    ///
    /// # Errors
    /// Where the store cannot be written.
    pub fn forget(&mut self, ids: &[String]) -> Result<(), HistoryError> {
        self.connection.transaction(|connection| {
            for id in ids {
                let values = [Value::Text(id)];
                for statement in [
                    "DELETE FROM tunegate_acts WHERE run = $1",
                    "DELETE FROM tunegate_runs WHERE id = $1",
                ] {
                    connection.execute("forget a run", statement, &values)?;
                }
            }
            Ok(())
        })?;
        if self.connection.is_file() {
            self.connection.execute("give space back", "VACUUM", &[])?;
        }
        Ok(())
    }
}

/// The run whose identity starts with `text`.
///
/// # Errors
/// Where there is none, or more than one.
pub fn find(text: &str, runs: Vec<Run>) -> Result<Run, HistoryError> {
    only(text, runs, |run| &run.id)
}

/// The only one whose identity starts with `text`.
fn only<T>(text: &str, all: Vec<T>, id: impl Fn(&T) -> &String) -> Result<T, HistoryError> {
    let has_start = |item: &T| !text.is_empty() && id(item).starts_with(text);
    let mut matching: Vec<T> = all.into_iter().filter(has_start).collect();
    let count = matching.len();
    let text = text.to_owned();
    match matching.pop() {
        Some(item) if count == 1 => Ok(item),
        Some(_) => Err(HistoryError::ManyRuns { text, count }),
        None => Err(HistoryError::NoRun { text }),
    }
}

/// The identities of all runs, decoding nothing else.
pub(super) fn identities(connection: &mut Connection) -> Result<Vec<String>, HistoryError> {
    let action = "read the identities of the runs";
    let rows = connection.rows(action, "SELECT id FROM tunegate_runs", &[])?;
    let location = connection.location();
    rows.iter()
        .map(|row| Cells { row, location }.text("id"))
        .collect()
}

fn kept(connection: &mut Connection, id: &str) -> Result<Kept, HistoryError> {
    let statement = "SELECT recorded, verdict, deviates FROM tunegate_runs WHERE id = $1";
    let rows = connection.rows("read a run", statement, &[Value::Text(id)])?;
    let row = rows.first().ok_or_else(|| HistoryError::NoRun {
        text: id.to_owned(),
    })?;
    let location = connection.location();
    let cells = Cells { row, location };
    Ok(Kept {
        recorded: cells.time("recorded")?,
        verdict: cells.verdict(id)?,
        deviates: cells.whole("deviates")? != 0,
    })
}

/// Whether anything was changed.
pub(super) fn insert(
    connection: &mut Connection,
    entry: &Entry,
    conflict: Conflict,
) -> Result<bool, HistoryError> {
    let Run {
        id,
        recorded,
        model,
        branch,
        commit,
        base,
        tuned,
        policy,
        estimator,
        tool,
        verdict,
        reason,
        fail,
        warn,
        deviates,
        layer_count,
        levels,
    } = &entry.run;
    let damaged = |problem| HistoryError::Damaged {
        id: id.clone(),
        problem,
    };
    let levels = pack::packed(&NamedLevels(levels.clone())).map_err(damaged)?;
    let layers = pack::packed(&entry.layers).map_err(damaged)?;
    let values = [
        Value::Text(id),
        Value::Whole(instant::micros(*recorded)),
        Value::Text(model),
        Value::Text(branch),
        Value::Text(commit.as_deref().unwrap_or_default()),
        Value::Text(&base.reference),
        Value::Text(&base.digest),
        Value::Text(&tuned.reference),
        Value::Text(&tuned.digest),
        Value::Text(&policy.name),
        Value::Text(&policy.digest),
        Value::Text(estimator),
        Value::Text(tool),
        Value::Text(verdict.as_str()),
        Value::Text(reason),
        Value::Whole(i64::from(*fail)),
        Value::Whole(i64::from(*warn)),
        Value::Whole(i64::from(*deviates)),
        Value::Whole(i64::from(*layer_count)),
        Value::Bytes(&levels),
        Value::Bytes(&layers),
    ];
    let statement = match conflict {
        Conflict::Keep => [INSERT, "NOTHING"].concat(),
        Conflict::KeepEarlier => [INSERT, KEEP_EARLIER].concat(),
    };
    let changed = connection.execute("record a run", &statement, &values)?;
    Ok(changed > 0)
}

pub(super) fn insert_act(connection: &mut Connection, act: &Act) -> Result<u64, HistoryError> {
    let values = [
        Value::Text(&act.id),
        Value::Text(&act.run),
        Value::Text(&act.by),
        Value::Text(&act.reason),
        Value::Whole(instant::micros(act.acted)),
    ];
    connection.execute("accept a run", INSERT_ACT, &values)
}

fn run_of(row: &AnyRow, location: &str) -> Result<Run, HistoryError> {
    let cells = Cells { row, location };
    let id = cells.text("id")?;
    read_run(&cells, &id).map_err(|error| {
        if let HistoryError::Statement { source, .. } = &error {
            let problem = source.to_string();
            return HistoryError::Damaged { id, problem };
        }
        error
    })
}

fn read_run(cells: &Cells<'_>, id: &str) -> Result<Run, HistoryError> {
    let damaged = |problem| HistoryError::Damaged {
        id: id.to_owned(),
        problem,
    };
    let levels: NamedLevels = pack::unpacked(&cells.bytes("levels")?).map_err(damaged)?;
    let commit = cells.text("commit_id")?;
    Ok(Run {
        recorded: cells.time("recorded")?,
        model: cells.text("model")?,
        branch: cells.text("branch")?,
        commit: Some(commit).filter(|commit| !commit.is_empty()),
        base: CheckpointKey {
            reference: cells.text("base_ref")?,
            digest: cells.text("base_digest")?,
        },
        tuned: CheckpointKey {
            reference: cells.text("tuned_ref")?,
            digest: cells.text("tuned_digest")?,
        },
        policy: PolicyKey {
            name: cells.text("policy_name")?,
            digest: cells.text("policy_digest")?,
        },
        estimator: cells.text("estimator")?,
        tool: cells.text("tool")?,
        verdict: cells.verdict(id)?,
        reason: cells.text("reason")?,
        fail: cells.count("fail_count")?,
        warn: cells.count("warn_count")?,
        deviates: cells.whole("deviates")? != 0,
        layer_count: cells.count("layer_count")?,
        levels: levels.0,
        id: id.to_owned(),
    })
}

/// The cells of a row by name.
struct Cells<'a> {
    row: &'a AnyRow,
    location: &'a str,
}

impl Cells<'_> {
    fn failed(&self, source: sqlx::Error) -> HistoryError {
        HistoryError::Statement {
            action: "read a row",
            location: self.location.to_owned(),
            source: source.into(),
        }
    }

    fn text(&self, name: &str) -> Result<String, HistoryError> {
        self.row.try_get(name).map_err(|source| self.failed(source))
    }

    /// That of run `id`.
    fn verdict(&self, id: &str) -> Result<Verdict, HistoryError> {
        serde_json::from_value(self.text("verdict")?.into()).map_err(|error| {
            HistoryError::Damaged {
                id: id.to_owned(),
                problem: error.to_string(),
            }
        })
    }

    fn bytes(&self, name: &str) -> Result<Vec<u8>, HistoryError> {
        self.row.try_get(name).map_err(|source| self.failed(source))
    }

    fn whole(&self, name: &str) -> Result<i64, HistoryError> {
        self.row.try_get(name).map_err(|source| self.failed(source))
    }

    fn count(&self, name: &str) -> Result<u32, HistoryError> {
        Ok(u32::try_from(self.whole(name)?).unwrap_or(u32::MAX))
    }

    fn time(&self, name: &str) -> Result<Timestamp, HistoryError> {
        let micros = self.whole(name)?;
        instant::of_micros(micros).ok_or_else(|| {
            self.failed(sqlx::Error::ColumnDecode {
                index: name.to_owned(),
                source: format!("{micros} is no time").into(),
            })
        })
    }
}
