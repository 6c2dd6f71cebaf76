//! One matrix in, its spectrum and the metrics of one checkpoint out.

pub mod metric;
