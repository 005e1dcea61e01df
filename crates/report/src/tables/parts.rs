//! What the tables share.

use crate::notice::RECONSTRUCTION;
use crate::table::Table;

/// What the `source` column says of our own rows.
pub const OURS: &str = "this reconstruction";

/// A table with rows of ours: it says that they are a reconstruction's.
pub fn table(id: impl Into<String>, title: impl Into<String>, columns: &[(&str, &str)]) -> Table {
    Table { notice: Some(RECONSTRUCTION), ..Table::new(id, title, columns) }
}
