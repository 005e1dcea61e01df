#![allow(clippy::unwrap_used, missing_docs)]

mod bad_input;
mod bench;
mod calibrate;
mod cells;
mod devices;
mod dicom;
mod export;
mod inspect;
mod own_data;
mod program;
mod regress;
mod resume;
mod score;
mod segment;
