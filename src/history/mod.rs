//! Judged runs over time. No SQL type leaves this module.
