//! Speeds that others published.

use crate::published::PublishedSpeed;
use crate::table::{Cell, Emphasis, Table};

/// Speeds that others published, on their machines.
pub fn published_speed(speeds: &[PublishedSpeed]) -> Table {
    let columns = [
        ("system", "System"),
        ("input", "Input (px)"),
        ("gmacs", "GMACs"),
        ("figure", "Value"),
        ("unit", "Unit"),
        ("hardware", "Hardware"),
        ("source", "Source"),
    ];
    let mut table = Table::new("published-speed", "Published speeds, on other machines", &columns);
    let row = |speed: &PublishedSpeed| {
        vec![
            Cell::text(&speed.system),
            speed.input.clone().map_or(Cell::Missing, Cell::Text),
            Cell::number(speed.gmacs, 1),
            Cell::Text(speed.figure.to_string()),
            Cell::text(&speed.unit),
            Cell::text(&speed.hardware),
            Cell::Text(format!("published: {}", speed.source)),
        ]
    };
    table.rows = speeds.iter().map(|speed| (Emphasis::Published, row(speed))).collect();
    table.notes =
        vec!["For context only, not a comparison: hardware, precision and what was timed all differ.".into()];
    table
}
