#![expect(
    clippy::indexing_slicing,
    reason = "a test that indexes past the end fails, as it should"
)]

mod decode;
mod files;
mod header;
mod layout;
mod open;
mod pair;
mod quantised;
mod quantised_parts;
