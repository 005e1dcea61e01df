//! Speed, memory and cost.

use super::{OURS, emphasis, table};
use crate::published::PublishedSpeed;
use crate::results::Results;
use crate::settings::{points, setting};
use crate::table::{Cell, Emphasis, Table};

/// Speed, memory and cost of everything that was measured.
pub fn efficiency(results: &Results) -> Table {
    let mut table = table(
        "efficiency".into(),
        "Efficiency".into(),
        &[
            ("dataset", "Data set"),
            ("method", "Method"),
            ("pause_points", "Pause points"),
            ("setting", "Setting"),
            ("scope", "Time covers"),
            ("batch_size", "Batch"),
            ("input_size_px", "Input (px)"),
            ("slices_per_s", "Slices/s"),
            ("ms_per_slice_median", "ms/slice, median"),
            ("ms_per_slice_p10", "10th pct."),
            ("ms_per_slice_p90", "90th pct."),
            ("speed_up_over_never", "Speed-up over never"),
            ("encoder_gmacs", "Encoder GMACs"),
            ("model_gmacs", "Model GMACs"),
            ("peak_memory_mib", "Peak memory (MiB)"),
            ("trained_parameters_million", "Parameters trained (M)"),
            ("parameters_million", "all (M)"),
            ("runs", "Runs"),
            ("device", "Device"),
            ("threads", "Threads"),
            ("cpu", ""),
            ("source", ""),
            ("commit", ""),
        ],
    );
    for record in &results.throughputs {
        let cost = record.cost.as_ref();
        table.rows.push((
            emphasis(record.pause.recommended),
            vec![
                Cell::text(&record.dataset),
                Cell::text(&record.method),
                Cell::Text(points(&record.pause.pause_points)),
                Cell::Text(setting(&record.pause)),
                Cell::text(record.scope.to_string()),
                Cell::Number(record.batch_size as f64, 0),
                Cell::Number(record.input_size as f64, 0),
                Cell::number(Some(record.slices_per_s), 2),
                Cell::number(Some(record.ms_per_slice_median), 2),
                Cell::number(Some(record.ms_per_slice_p10), 2),
                Cell::number(Some(record.ms_per_slice_p90), 2),
                Cell::number(Some(record.speed_up_over_never), 2),
                Cell::number(cost.map(|cost| cost.encoder_gmacs), 3),
                Cell::number(cost.map(|cost| cost.model_gmacs), 3),
                Cell::number(record.peak_memory_mib, 0),
                Cell::number(cost.map(|cost| cost.trained_parameters as f64 / 1e6), 2),
                Cell::number(cost.map(|cost| cost.parameters as f64 / 1e6), 2),
                Cell::Number(record.runs as f64, 0),
                Cell::text(&record.provenance.device),
                Cell::Number(record.provenance.threads as f64, 0),
                Cell::text(&record.provenance.cpu),
                Cell::text(OURS),
                Cell::text(&record.provenance.commit),
            ],
        ));
    }
    table.notes.push(
        "GMACs per slice from shapes and the active tokens of that setting. Peak memory is the process' peak resident memory. \
         Speed-up: against the same checkpoint with the policy never in the same measurement."
            .into(),
    );
    table
}

/// Speeds that others published, on their machines.
pub fn published_speed(speeds: &[PublishedSpeed]) -> Table {
    let mut table = table(
        "published-speed".into(),
        "Published speeds, on other machines".into(),
        &[
            ("system", "System"),
            ("input", "Input (px)"),
            ("gmacs", "GMACs"),
            ("figure", "Figure"),
            ("unit", "Unit"),
            ("hardware", "Hardware"),
            ("source", "Source"),
        ],
    );
    table.rows = speeds
        .iter()
        .map(|speed| {
            let cells = vec![
                Cell::text(&speed.system),
                speed.input.clone().map_or(Cell::Missing, Cell::Text),
                Cell::number(speed.gmacs, 1),
                Cell::Text(speed.figure.to_string()),
                Cell::text(&speed.unit),
                Cell::text(&speed.hardware),
                Cell::text(format!("published: {}", speed.source)),
            ];
            (Emphasis::Published, cells)
        })
        .collect();
    table.notes =
        vec!["Context, not a comparison: hardware, precision and what the time covers all differ.".into()];
    table
}
