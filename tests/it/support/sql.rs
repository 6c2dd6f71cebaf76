//! Statements on a store, past the program.

use std::path::Path;

use sqlx::{AnyConnection, Connection as _, Executor as _, Row as _};

/// What sqlx calls a SQLite file.
pub(crate) fn file_url(path: &Path) -> String {
    format!("sqlite:{}?mode=rwc", path.display())
}

fn block<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

async fn connect(url: &str) -> Result<AnyConnection, sqlx::Error> {
    static DRIVERS: std::sync::Once = std::sync::Once::new();
    DRIVERS.call_once(sqlx::any::install_default_drivers);
    AnyConnection::connect(url).await
}

pub(crate) fn try_run(url: &str, statements: &[&str]) -> Result<(), sqlx::Error> {
    block(async {
        let mut connection = connect(url).await?;
        for statement in statements {
            connection.execute(*statement).await?;
        }
        connection.close().await
    })
}

#[track_caller]
pub(crate) fn run(url: &str, statements: &[&str]) {
    try_run(url, statements).unwrap();
}

/// The only number that a query gives.
pub(crate) fn number(url: &str, query: &str) -> i64 {
    block(async {
        let mut connection = connect(url).await.unwrap();
        let row = connection.fetch_one(query).await.unwrap();
        connection.close().await.unwrap();
        row.get(0)
    })
}

/// A transaction that holds its locks until it is dropped.
pub(crate) struct Held {
    runtime: tokio::runtime::Runtime,
    connection: Option<AnyConnection>,
}

pub(crate) fn hold(url: &str, statements: &[&str]) -> Held {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let connection = runtime.block_on(async {
        let mut connection = connect(url).await.unwrap();
        for statement in statements {
            connection.execute(*statement).await.unwrap();
        }
        connection
    });
    Held {
        runtime,
        connection: Some(connection),
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            let _closed = self.runtime.block_on(connection.close());
        }
    }
}
