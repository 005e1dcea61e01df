#![allow(clippy::unwrap_used, missing_docs)]

mod inspect;
mod program;
mod resume;
mod record;
mod report;
mod samples;
