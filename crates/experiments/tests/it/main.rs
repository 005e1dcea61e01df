#![allow(clippy::unwrap_used, missing_docs)]

mod bench;
mod program;
mod resume;
mod record;
mod report;
mod samples;
