//! The schema: migrations only go forward, each in a transaction of its own.

use super::connection::{Connection, Value};
use super::{Access, HistoryError};

/// In the order of their numbers, which start at 1.
const MIGRATIONS: &[&str] = &[
    include_str!("sql/0001_init.sql"),
    include_str!("sql/0002_order.sql"),
];

/// Number of the last of [`MIGRATIONS`].
pub(super) const NEWEST: i64 = 2;

/// Any number that no other program is likely to lock.
const LOCK: i64 = 0x7475_6e65_6761_7465;

/// Brings the schema up to date where it may be written. `false`: there is no history yet, and it
/// may only be read.
///
/// Every migration so far keeps what the statements of this program read, so an older schema can be
/// read as it is.
///
/// # Errors
/// Where the schema is newer than this program's, or the tables are those of another program.
pub(super) fn migrate(connection: &mut Connection, access: Access) -> Result<bool, HistoryError> {
    if access == Access::Read {
        return Ok(version(connection)? > 0);
    }
    if version(connection)? == NEWEST {
        return Ok(true);
    }
    loop {
        let at = connection.transaction(|connection| {
            if !connection.is_file() {
                // Two that find no tables must not both make them.
                let lock = "SELECT CAST(pg_advisory_xact_lock($1) AS TEXT)";
                connection.rows("lock", lock, &[Value::Whole(LOCK)])?;
            }
            let at = version(connection)?;
            if at < NEWEST {
                apply(connection, at)?;
            }
            Ok(at)
        })?;
        if at >= NEWEST {
            return Ok(true);
        }
    }
}

/// Applies the migration after version `at`.
fn apply(connection: &mut Connection, at: i64) -> Result<(), HistoryError> {
    if at == 0 {
        let table = "CREATE TABLE tunegate_schema (version BIGINT NOT NULL PRIMARY KEY)";
        connection.execute("make tables", table, &[])?;
    }
    let script = usize::try_from(at).ok().and_then(|at| MIGRATIONS.get(at));
    for statement in statements(script.copied().unwrap_or_default()) {
        // The one type that the two kinds of database name differently.
        let statement = if connection.is_file() {
            statement
        } else {
            statement.replace(" BLOB ", " BYTEA ")
        };
        connection.execute("make tables", &statement, &[])?;
    }
    let insert = "INSERT INTO tunegate_schema (version) VALUES ($1)";
    connection.execute("make tables", insert, &[Value::Whole(at + 1)])?;
    Ok(())
}

/// The statements of a script, without its comments.
fn statements(script: &str) -> Vec<String> {
    let code: Vec<&str> = script
        .lines()
        .map(|line| line.split_once("--").map_or(line, |(code, _)| code))
        .collect();
    let code = code.join("\n");
    let parts = code
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    parts.map(str::to_owned).collect()
}

/// The schema's number; 0 where there is none.
fn version(connection: &mut Connection) -> Result<i64, HistoryError> {
    let tables = if connection.is_file() {
        "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'tunegate_schema'"
    } else {
        "SELECT COUNT(*) FROM information_schema.tables \
         WHERE table_schema = current_schema() AND table_name = 'tunegate_schema'"
    };
    if connection.whole("read", tables, &[])? == 0 {
        let others = "SELECT COUNT(*) FROM sqlite_master";
        if connection.is_file() && connection.whole("read", others, &[])? > 0 {
            return Err(HistoryError::Foreign {
                location: connection.location().to_owned(),
            });
        }
        return Ok(0);
    }
    let newest = "SELECT COALESCE(MAX(version), 0) FROM tunegate_schema";
    let found = connection.whole("read", newest, &[])?;
    if found > NEWEST {
        return Err(HistoryError::NewerSchema {
            location: connection.location().to_owned(),
            found,
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_schema_is_that_of_the_last_migration() {
        assert_eq!(usize::try_from(NEWEST), Ok(MIGRATIONS.len()));
    }

    #[test]
    fn a_script_is_split_into_statements_without_comments() {
        let script = "-- one; two\nCREATE TABLE a (b TEXT -- c;\n);\n\nCREATE INDEX d ON a (b);\n";
        let found = statements(script);
        assert_eq!(
            found,
            ["CREATE TABLE a (b TEXT \n)", "CREATE INDEX d ON a (b)"]
        );
    }
}
