//! One table and its three forms: CSV for programs, Markdown for documents, HTML for the page.

mod csv;
mod html;
mod markdown;
mod model;

pub use model::{Cell, Column, Emphasis, Table};
