//! Which tables there are: summary, comparison, pausing, efficiency, published speeds, the bench's.

mod bench;
mod comparison;
mod efficiency;
mod pausing;
mod summary;

pub use bench::bench;
pub use comparison::comparison;
pub use efficiency::{efficiency, published_speed};
pub use pausing::pausing;
pub use summary::summary;

use super::RECONSTRUCTION;
use super::table::{Cell, Column, Emphasis, Table};

/// What the `source` column says of our own rows.
const OURS: &str = "this reconstruction";

fn table(id: String, title: String, columns: &[(&str, &str)]) -> Table {
    let columns = columns
        .iter()
        .map(|(id, heading)| if heading.is_empty() { Column::csv_only(*id) } else { Column::new(*id, *heading) });
    Table {
        id,
        title,
        notes: vec![format!("A reconstruction. {RECONSTRUCTION}")],
        columns: columns.collect(),
        rows: Vec::new(),
    }
}

fn percent(share: Option<f64>, decimals: usize) -> Cell {
    Cell::number(share.map(|share| 100.0 * share), decimals)
}

fn emphasis(recommended: bool) -> Emphasis {
    if recommended { Emphasis::Recommended } else { Emphasis::Ours }
}
